"""What finding and reading costs: CPU time of the process, which other processes disturb little, per picture looked at."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etle.protocols import PlateFinder, PlateReader
from etle.types import PlateBox, PlateRead

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU-ms; None for what was never asked."""

    finder_per_photo: float | None
    readers_per_plate: Mapping[str, float | None]
    readers: float | None
    """All of them on one plate."""
    per_look: float | None
    """One look at one vehicle: the finder on one picture, and every reader on one plate."""


@dataclass(slots=True)
class Meter:
    """Adds up what one engine took."""

    spent_s: float = 0.0
    pictures: int = 0
    _since: float = field(default=0.0, repr=False)

    def __enter__(self) -> None:
        self._since = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.spent_s += time.process_time() - self._since

    @property
    def ms(self) -> float | None:
        """CPU-ms a picture."""
        return 1000 * self.spent_s / self.pictures if self.pictures else None


class MeteredFinder:
    def __init__(self, finder: PlateFinder) -> None:
        self.name, self.digest = finder.name, finder.digest
        self._finder = finder
        self.meter = Meter()

    def find(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        self.meter.pictures += len(images)
        with self.meter:
            return self._finder.find(images)


class MeteredReader:
    def __init__(self, reader: PlateReader) -> None:
        self.name, self.digest = reader.name, reader.digest
        self._reader = reader
        self.meter = Meter()

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        self.meter.pictures += len(crops)
        with self.meter:
            return self._reader.read(crops)


def costs_of(finder: MeteredFinder, readers: Sequence[MeteredReader]) -> Costs:
    found, read = finder.meter.ms, {reader.name: reader.meter.ms for reader in readers}
    known = [ms for ms in read.values() if ms is not None]
    readers_ms = sum(known) if known and len(known) == len(read) else None
    per_look = None if found is None or readers_ms is None else found + readers_ms
    return Costs(finder_per_photo=found, readers_per_plate=read, readers=readers_ms, per_look=per_look)
