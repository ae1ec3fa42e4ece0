"""Runs a camera's rules over footage without storing anything, and says as JSON what would be reported, with all paths of vehicles.

The decisions are those of `etle explain`, which this shares.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from etle.protocols import FrameSource
from etle.types import Box, Frame, Lamp, TrackId
from pipeline.explain.document import document_of
from pipeline.explain.record import ExplainedVehicle, Explanation

MAX_PATHS: Final = 400
MAX_PATH_POINTS: Final = 80
MAX_PICTURES: Final = 24


class CountedFrames:
    """A FrameSource of frames that are read once; `advance` is called for each."""

    live = False

    def __init__(self, frames: Callable[[], Iterator[Frame]], advance: Callable[[], None]) -> None:
        self._frames = frames
        self._advance = advance

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in self._frames():
            self._advance()
            if after is None or frame.sequence > after:
                yield frame


def trial_document(explanation: Explanation, limitations: tuple[str, ...], zone: ZoneInfo) -> dict[str, Any]:
    """`document_of` with the path of each vehicle's foot in the picture, and the box at its moment, of which a picture can be kept."""
    document = document_of(explanation, limitations, zone)
    moments = picture_moments(explanation)
    boxes = {record.sequence: dict(record.boxes) for record in explanation.frames}
    for row, vehicle in zip(document["vehicles"], explanation.vehicles, strict=True):
        sequence = moments.get(vehicle.track.id)
        box = boxes.get(sequence, {}).get(vehicle.track.id) if sequence is not None else None
        row["picture"] = f"{sequence}" if sequence is not None else None
        row["box"] = [round(edge, 1) for edge in box] if box else None
    document["paths"] = [{"track": track, "px": path} for track, path in paths_of(explanation).items()]
    document["lamps"] = lamp_shares(explanation)
    document["rejected"] = list(explanation.rejected)
    return document


def picture_moments(explanation: Explanation) -> dict[TrackId, int]:
    """The frame to show for each vehicle, those that are reported first: when it passed the line, or in the middle of its track."""
    reported = sorted(explanation.vehicles, key=lambda vehicle: not vehicle.violations)
    return {vehicle.track.id: _moment(vehicle, explanation) for vehicle in reported[:MAX_PICTURES]}


def _moment(vehicle: ExplainedVehicle, explanation: Explanation) -> int:
    judgements = [each.judgement for each in vehicle.decisions]
    crossed = [passage.at for each in judgements for passage in (each.left, each.entered, each.crossed) if passage]
    at = crossed[0] if crossed else vehicle.track.sightings[len(vehicle.track.sightings) // 2].captured_at
    seen = [record for record in explanation.frames if any(track == vehicle.track.id for track, _ in record.boxes)]
    nearest: Callable[[Any], float] = lambda record: abs((record.captured_at - at).total_seconds())  # noqa: E731
    return min(seen, key=nearest).sequence if seen else vehicle.track.last.sequence


def paths_of(explanation: Explanation) -> dict[TrackId, list[list[float]]]:
    """The foot of each vehicle in the picture, frame by frame, thinned out."""
    feet: dict[TrackId, list[list[float]]] = {}
    for record in explanation.frames:
        for track, box in record.boxes:
            foot = _foot(box)
            path = feet.setdefault(track, [])
            if not path or path[-1] != foot:
                path.append(foot)
    longest = sorted((track for track in feet if len(feet[track]) > 1), key=lambda track: -len(feet[track]))[:MAX_PATHS]
    return {track: feet[track][:: max(1, len(feet[track]) // MAX_PATH_POINTS)] for track in longest}


def lamp_shares(explanation: Explanation) -> dict[str, dict[str, float]]:
    """For each signal, in which share of the frames each lamp was read."""
    lamps: dict[str, list[Lamp]] = {}
    for record in explanation.frames:
        for name, lamp in record.lamps:
            lamps.setdefault(name, []).append(lamp)
    return {name: {lamp.value: round(seen.count(lamp) / len(seen), 3) for lamp in Lamp if lamp in seen} for name, seen in lamps.items()}


def pictures_of(source: FrameSource, sequences: Sequence[int]) -> Mapping[int, bytes]:
    """The JPEGs of these frames."""
    wanted = set(sequences)
    found: dict[int, bytes] = {}
    for frame in source.frames():
        if frame.sequence in wanted:
            found[frame.sequence] = frame.jpeg
            if len(found) == len(wanted):
                break
    return found


def frames_until(source: FrameSource, seconds: float) -> Iterator[Frame]:
    """The frames of the first seconds of a source."""
    first: datetime | None = None
    for frame in source.frames():
        first = first or frame.captured_at
        if (frame.captured_at - first).total_seconds() > seconds:
            return
        yield frame


def _foot(box: Box) -> list[float]:
    return [round((box.x1 + box.x2) / 2, 1), round(box.y2, 1)]
