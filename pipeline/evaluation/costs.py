"""What finding and reading costs: CPU time of the process, which other processes disturb little."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Detection, PlateBox, PlateRead

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU-ms; None for what was never asked."""

    detector_per_photo: float | None
    finder_per_photo: float | None
    """In the whole photo and in the crops of its vehicles."""
    finder_per_vehicle: float | None
    """In one vehicle's crop."""
    readers_per_plate: Mapping[str, float | None]
    """With the further cuts of a plate on which they do not agree."""
    readers: float | None
    per_look: float | None
    """One look at one vehicle, as at each frame of a track: the finder in its crop, and every reader on its plate."""


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

    def ms_over(self, number: int) -> float | None:
        return 1000 * self.spent_s / number if number and self.pictures else None


class MeteredDetector:
    def __init__(self, detector: VehicleDetector) -> None:
        self.name, self.digest = detector.name, detector.digest
        self._detector = detector
        self.meter = Meter()

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        self.meter.pictures += len(images)
        with self.meter:
            return self._detector.detect(images)


class MeteredPlateDetector:
    def __init__(self, finder: PlateDetector) -> None:
        self.name, self.digest = finder.name, finder.digest
        self._finder = finder
        self.whole, self.vehicles = Meter(), Meter()

    def find(self, images: "Sequence[Image]", *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        meter = self.whole if whole else self.vehicles
        meter.pictures += len(images)
        with meter:
            return self._finder.find(images, whole=whole)


class MeteredReader:
    def __init__(self, reader: PlateReader) -> None:
        self.name, self.digest = reader.name, reader.digest
        self._reader = reader
        self.meter = Meter()

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        self.meter.pictures += len(crops)
        with self.meter:
            return self._reader.read(crops)


def costs_of(
    detector: MeteredDetector, finder: MeteredPlateDetector, readers: Sequence[MeteredReader], *, photos: int, plates: int
) -> Costs:
    """`photos` that were searched, and `plates` that were read, found or given."""
    found = Meter(finder.whole.spent_s + finder.vehicles.spent_s, finder.whole.pictures + finder.vehicles.pictures)
    of_vehicle = finder.vehicles.ms_over(finder.vehicles.pictures)
    read = {reader.name: reader.meter.ms_over(plates) for reader in readers}
    known = [ms for ms in read.values() if ms is not None]
    all_readers = sum(known) if known else None
    return Costs(
        detector_per_photo=detector.meter.ms_over(photos),
        finder_per_photo=found.ms_over(photos),
        finder_per_vehicle=of_vehicle,
        readers_per_plate=read,
        readers=all_readers,
        per_look=None if of_vehicle is None or all_readers is None else of_vehicle + all_readers,
    )
