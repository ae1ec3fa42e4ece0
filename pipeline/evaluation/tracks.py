"""CPU time of the plate search over a vehicle's track, whose frames repeat one photo.

Nothing moves in such a track, so every frame shows the same. Where the readers agree on the first frame the cost is that of real footage;
where they disagree it is higher, because no better frame follows.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etle.geometry import box_contains
from etle.protocols import VehicleDetector
from etle.types import CameraId, Detection, Frame, Sighting, Track, TrackId, digest_of
from pipeline.evaluation.costs import MeteredPlateDetector, MeteredReader
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import PlateCase, ProgressCallback
from pipeline.frames.buffer import FrameBuffer
from pipeline.plates.search import PlateSearch

if TYPE_CHECKING:
    from etle.types import Image

_FRAMES, _GAP = 12, timedelta(seconds=0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackCost:
    """Means over `vehicles`. The field names are keys of the JSON report."""

    vehicles: int
    cpu_ms: float
    """From the encoded frames to the plate."""
    models_cpu_ms: float
    """Share of it in the plate detector and the readers."""
    frames: float
    """Number of frames that were read."""


@dataclass(frozen=True, slots=True)
class _CpuTime:
    total_s: float
    models_s: float
    frames: int


def track_cost(
    cases: Sequence[PlateCase], detector: VehicleDetector, search: PlateSearch, at: datetime, progress: ProgressCallback
) -> TrackCost | None:
    """None if the detector finds no vehicle around any of the plates."""
    times = [measured for case in progress(cases, "vehicles' tracks") if (measured := _search_time(case, detector, search, at))]
    if not times:
        return None
    return TrackCost(
        vehicles=len(times),
        cpu_ms=1000 * sum(each.total_s for each in times) / len(times),
        models_cpu_ms=1000 * sum(each.models_s for each in times) / len(times),
        frames=sum(each.frames for each in times) / len(times),
    )


def _search_time(case: PlateCase, detector: VehicleDetector, search: PlateSearch, at: datetime) -> _CpuTime | None:
    image = load(case.picture.path)
    vehicle = _vehicle(case, detector.detect([image])[0])
    if vehicle is None:
        return None
    track, frames = _still_track(vehicle, image, case.picture.path.read_bytes(), at)
    plate_detector, readers = MeteredPlateDetector(search.detector), tuple(MeteredReader(reader) for reader in search.readers)
    tiebreaker = MeteredReader(search.tiebreaker) if search.tiebreaker else None
    started = time.process_time()
    plate = PlateSearch(plate_detector, readers, search.max_frames, tiebreaker).plate_of(track, (), frames, at)
    total_s = time.process_time() - started
    meters = (
        plate_detector.whole,
        plate_detector.vehicles,
        *(reader.meter for reader in (*readers, *((tiebreaker,) if tiebreaker else ()))),
    )
    return _CpuTime(total_s, sum(meter.spent_s for meter in meters), len({sighting.sequence for sighting in plate.sightings}))


def _vehicle(case: PlateCase, detections: Sequence[Detection]) -> Detection | None:
    """The smallest vehicle that contains the plate's centre."""
    box = case.truth.box
    around = [vehicle for vehicle in detections if box and box_contains(vehicle.box, box.centre)]
    return min(around, key=lambda vehicle: vehicle.box.area, default=None)


def _still_track(vehicle: Detection, image: "Image", data: bytes, at: datetime) -> tuple[Track, FrameBuffer]:
    frames = FrameBuffer(keep_s=(2 * _FRAMES * _GAP).total_seconds())
    sightings = []
    for number in range(_FRAMES):
        captured_at = at + number * _GAP
        frames.add(_frame(number, captured_at, image, data))
        sightings.append(Sighting(sequence=number, captured_at=captured_at, box=vehicle.box, vehicle=vehicle.vehicle, score=vehicle.score))
    return Track(id=TrackId("parked"), sightings=tuple(sightings)), frames


def _frame(number: int, at: datetime, image: "Image", data: bytes) -> Frame:
    height, width = image.shape[:2]
    return Frame(
        camera=CameraId("photo"),
        sequence=number,
        captured_at=at,
        received_at=at,
        clock_error_s=None,
        width=width,
        height=height,
        sha256=digest_of(data),
        jpeg=data,
    )
