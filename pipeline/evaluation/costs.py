"""Costs of plate detection and reading as CPU time of the process, which depends little on other load on the machine."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Box, Detection, PlateBox, PlateRead

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU milliseconds; None for an engine that was not used. The field names are keys of the JSON report."""

    detector_per_photo: float | None
    finder_per_photo: float | None
    """In the whole photo and in all of its vehicle crops."""
    finder_per_vehicle: float | None
    """In one vehicle crop."""
    readers_per_plate: Mapping[str, float | None]
    """Including the second crop of a plate on which the readers disagree."""
    readers: float | None
    """All readers on one plate."""
    per_look: float | None
    """One frame of a track: plate detection in the vehicle's crop and all readers on its plate."""


@dataclass(slots=True)
class Meter:
    """Sums the CPU time of one engine; a context manager around each call."""

    spent_s: float = 0.0
    pictures: int = 0
    _since: float = field(default=0.0, repr=False)

    def __enter__(self) -> None:
        self._since = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.spent_s += time.process_time() - self._since

    def ms_per(self, number: int) -> float | None:
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

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        self.meter.pictures += 1
        with self.meter:
            return self._detector.detect_part(image, part, zoom)


class MeteredPlateDetector:
    def __init__(self, detector: PlateDetector) -> None:
        self.name, self.digest = detector.name, detector.digest
        self._detector = detector
        self.whole, self.vehicles = Meter(), Meter()

    def detect_crops(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        self.vehicles.pictures += len(images)
        with self.vehicles:
            return self._detector.detect_crops(images)

    def detect_frames(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        self.whole.pictures += len(images)
        with self.whole:
            return self._detector.detect_frames(images)


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
    vehicle_detector: MeteredDetector, plate_detector: MeteredPlateDetector, readers: Sequence[MeteredReader], *, photos: int, plates: int
) -> Costs:
    """`photos`: number of photos searched; `plates`: number of plates read, detected or in given boxes."""
    whole, vehicles = plate_detector.whole, plate_detector.vehicles
    both = Meter(whole.spent_s + vehicles.spent_s, whole.pictures + vehicles.pictures)
    per_vehicle = vehicles.ms_per(vehicles.pictures)
    per_plate = {reader.name: reader.meter.ms_per(plates) for reader in readers}
    known = [ms for ms in per_plate.values() if ms is not None]
    all_readers = sum(known) if known else None
    return Costs(
        detector_per_photo=vehicle_detector.meter.ms_per(photos),
        finder_per_photo=both.ms_per(photos),
        finder_per_vehicle=per_vehicle,
        readers_per_plate=per_plate,
        readers=all_readers,
        per_look=None if per_vehicle is None or all_readers is None else per_vehicle + all_readers,
    )
