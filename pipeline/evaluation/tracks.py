"""What a case pays for its plate: the search over a track, whose frames are one photo shown again and again.

Nothing moves in such a track, so the readers see in every frame what they saw in the first: where they agree at once it is as cheap as
on the road, and where they do not it is dearer, for no better frame comes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etle.geometry import within
from etle.protocols import VehicleDetector
from etle.types import CameraId, Detection, Frame, Sighting, Track, TrackId, digest_of
from pipeline.evaluation.costs import MeteredPlateDetector, MeteredReader
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import PlateCase, ProgressCallback
from pipeline.frames.buffer import FrameBuffer
from pipeline.plates.search import PlateSearch

if TYPE_CHECKING:
    from etle.types import Image

_FRAMES, _APART = 12, timedelta(seconds=0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackCost:
    """On average over `vehicles`."""

    vehicles: int
    cpu_ms: float
    """From the frames' bytes to the plate."""
    models_cpu_ms: float
    """Of these, in the finder and the readers."""
    frames: float
    """That were read."""


@dataclass(frozen=True, slots=True)
class _Spent:
    whole_s: float
    models_s: float
    frames: int


def track_cost(
    cases: Sequence[PlateCase], detector: VehicleDetector, search: PlateSearch, at: datetime, progress: ProgressCallback
) -> TrackCost | None:
    """None if the detector sees no vehicle around any of the plates."""
    spent = [each for case in progress(cases, "vehicles' tracks") if (each := _spent(case, detector, search, at))]
    if not spent:
        return None
    return TrackCost(
        vehicles=len(spent),
        cpu_ms=1000 * sum(each.whole_s for each in spent) / len(spent),
        models_cpu_ms=1000 * sum(each.models_s for each in spent) / len(spent),
        frames=sum(each.frames for each in spent) / len(spent),
    )


def _spent(case: PlateCase, detector: VehicleDetector, search: PlateSearch, at: datetime) -> _Spent | None:
    image = load(case.picture.path)
    vehicle = _vehicle(case, detector.detect([image])[0])
    if vehicle is None:
        return None
    track, ring = _parked(vehicle, image, case.picture.path.read_bytes(), at)
    finder, readers = MeteredPlateDetector(search.finder), tuple(MeteredReader(reader) for reader in search.readers)
    arbiter = MeteredReader(search.arbiter) if search.arbiter else None
    since = time.process_time()
    plate = PlateSearch(finder, readers, search.limit, arbiter).plate_of(track, (), ring, at)
    whole_s = time.process_time() - since
    meters = (finder.whole, finder.vehicles, *(reader.meter for reader in (*readers, *((arbiter,) if arbiter else ()))))
    return _Spent(whole_s, sum(meter.spent_s for meter in meters), len({sighting.sequence for sighting in plate.sightings}))


def _vehicle(case: PlateCase, seen: Sequence[Detection]) -> Detection | None:
    """The smallest in which the plate hangs."""
    box = case.truth.box
    around = [vehicle for vehicle in seen if box and within(vehicle.box, box.centre)]
    return min(around, key=lambda vehicle: vehicle.box.area, default=None)


def _parked(vehicle: Detection, image: "Image", data: bytes, at: datetime) -> tuple[Track, FrameBuffer]:
    ring = FrameBuffer(keep_s=(2 * _FRAMES * _APART).total_seconds())
    sightings = []
    for number in range(_FRAMES):
        seen_at = at + number * _APART
        ring.add(_frame(number, seen_at, image, data))
        sightings.append(Sighting(sequence=number, captured_at=seen_at, box=vehicle.box, vehicle=vehicle.vehicle, score=vehicle.score))
    return Track(id=TrackId("parked"), sightings=tuple(sightings)), ring


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
