"""An S3 server on loopback: MinIO, or Versity's gateway to a folder; built once with Go.

Tests use both because they differ: MinIO rejects a conditional put for an existing key, the gateway overwrites the object.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from etle.files import FileLock
from services.process import (
    ServiceError,
    ServiceMissing,
    ServiceProcess,
    accepts_connections,
    cache_folder,
    data_folder,
    free_port,
    running,
)

S3Kind = Literal["versitygw", "minio"]
MODULES: Final[Mapping[str, str]] = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@latest",
    "minio": "github.com/minio/minio@latest",
}
BUCKET: Final = "etle-evidence"
ACCESS_KEY: Final = "loopback"
SECRET_KEY: Final = "loopback-only"
"""Not a secret: the server listens on loopback only."""


class S3Server(ServiceProcess):
    """`address` is s3://BUCKET; `environment` has endpoint and keys for the client."""

    @property
    def environment(self) -> Mapping[str, str]:
        return s3_environment(self.port)


def s3_environment(port: int) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


def s3_binary(kind: S3Kind) -> Path:
    """From PATH, or built once and cached. Raises ServiceMissing if Go is missing."""
    if found := shutil.which(kind):
        return Path(found)
    folder = cache_folder() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{kind}.lock"):
        if not (folder / kind).exists():
            _build(kind, folder)
    return folder / kind


def s3_server(folder: Path, *, port: int | None = None, kind: S3Kind = "versitygw") -> S3Server:
    """Not started yet. The bucket is a folder, which is created here."""
    port = port or free_port()
    binary, data = s3_binary(kind), folder / "s3"
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    command: list[str | Path]
    if kind == "minio":
        command = [binary, "server", "--quiet", "--address", f"127.0.0.1:{port}", data]
        keys = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
    else:
        # Metadata in a separate folder, because not every file system supports extended attributes.
        (folder / "attributes").mkdir(exist_ok=True)
        command = [binary, "--port", f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", folder / "attributes", data]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    return S3Server(
        name="s3",
        address=f"s3://{BUCKET}",
        port=port,
        command=command,
        folder=folder,
        is_ready=lambda: accepts_connections(port),
        environment=keys,
    )


@contextmanager
def running_s3(folder: Path | None = None, *, port: int | None = None, kind: S3Kind = "versitygw") -> Iterator[S3Server]:
    with data_folder(folder) as path:
        server = s3_server(path, port=port, kind=kind)
        with running(server):
            yield server


def _build(kind: S3Kind, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ServiceMissing(f"{kind} is built with Go (https://go.dev/dl, or apt-get install golang), or put {kind} on the PATH")
    result = subprocess.run(
        [go, "install", MODULES[kind]],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"},
    )
    if result.returncode != 0:
        raise ServiceError(f"{kind} could not be built: {result.stderr.strip()[-1500:]}")
