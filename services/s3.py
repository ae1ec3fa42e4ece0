"""An S3 server on loopback: MinIO or Versity's gateway to a folder, built once with Go.

The two differ in what a store must not rest on: MinIO refuses a conditional put on a key that exists, the gateway overwrites it.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from services.process import ServiceError, ServiceMissing, ServiceProcess, cache_folder, connects, free_port, in_folder, running

Kind = Literal["versitygw", "minio"]
MODULES: Final[Mapping[str, str]] = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@latest",
    "minio": "github.com/minio/minio@latest",
}
BUCKET: Final = "etle-evidence"
ACCESS_KEY: Final = "loopback"
SECRET_KEY: Final = "loopback-only"
"""Known to everybody, for a server that only this machine reaches."""


class S3Server(ServiceProcess):
    """`address` is s3://BUCKET; `environment` has what a client must be told besides."""

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


def s3_program(kind: Kind) -> Path:
    """From the path or built once, with its own cache. Raises ServiceMissing without Go."""
    if found := shutil.which(kind):
        return Path(found)
    folder = cache_folder() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / kind).exists():
            _build(kind, folder)
    return folder / kind


def s3_server(folder: Path, *, port: int | None = None, kind: Kind = "versitygw") -> S3Server:
    """Not yet started; the bucket is a folder that is there from the start."""
    port = port or free_port()
    program, data = s3_program(kind), folder / "s3"
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    command: list[str | Path]
    if kind == "minio":
        command = [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", data]
        keys = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
    else:
        # Digests and types beside the objects, in a folder of their own: not every file system keeps extended attributes.
        (folder / "attributes").mkdir(exist_ok=True)
        command = [program, "--port", f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", folder / "attributes", data]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    return S3Server(
        name="s3",
        address=f"s3://{BUCKET}",
        port=port,
        command=command,
        folder=folder,
        answers=lambda: connects(port),
        environment=keys,
    )


@contextmanager
def running_s3(folder: Path | None = None, *, port: int | None = None, kind: Kind = "versitygw") -> Iterator[S3Server]:
    with in_folder(folder) as place:
        server = s3_server(place, port=port, kind=kind)
        with running(server):
            yield server


def _build(kind: Kind, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ServiceMissing(f"{kind} is built with Go (https://go.dev/dl, or apt-get install golang), or put a {kind} into the path")
    done = subprocess.run(
        [go, "install", MODULES[kind]],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"},
    )
    if done.returncode != 0:
        raise ServiceError(f"{kind} could not be built: {done.stderr.strip()[-1500:]}")
