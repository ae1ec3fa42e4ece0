"""The footage with what the stage saw and decided drawn on it: tracks with ids, lines, lanes, signals, a time bar, plate reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from etle.config.site import CameraSettings
from etle.media.video import write_clip
from etle.types import Box, Frame, Lamp, Point, SignalId, TrackId
from pipeline.explain.record import ExplainedVehicle, Explanation, FrameRecord, RuleDecision
from pipeline.explain.sentences import time_text
from pipeline.frames.decode import HALF_FROM_PX, decode
from pipeline.scene.judgement import Reason

if TYPE_CHECKING:
    from etle.types import Image

Colour = tuple[int, int, int]
MIN_WIDTH, MAX_WIDTH = 960, 1280
_BAR_PX: Final = 22
"""Height of the time bar of one signal."""
_TRAIL: Final = 60
"""Number of past positions of a vehicle that are drawn."""
_WHITE: Final[Colour] = (255, 255, 255)
_BLACK: Final[Colour] = (0, 0, 0)
_LINE: Final[Colour] = (0, 220, 255)
_LANE: Final[Colour] = (255, 160, 60)
_ZONE: Final[Colour] = (230, 90, 255)
_NOT_MET: Final[Colour] = (170, 170, 170)
_REPORTED: Final[Colour] = (40, 40, 255)
_UNSEEN: Final[Colour] = (0, 150, 255)
_LAWFUL: Final[Colour] = (80, 200, 80)
_LAMPS: Final[Mapping[Lamp, Colour]] = {
    Lamp.RED: (40, 40, 255),
    Lamp.YELLOW: (0, 210, 255),
    Lamp.GREEN: (70, 200, 70),
    Lamp.UNKNOWN: (120, 120, 120),
}


def write_video(path: Path, explanation: Explanation, frames: Iterable[Frame], zone: ZoneInfo) -> None:
    """Writes an H.264 video that browsers play. `frames`: the same footage as that of `explanation`, read again."""
    records = {record.sequence: record for record in explanation.frames}
    if not records:
        return
    painter = _Painter(explanation, zone)
    width, height = painter.size
    write_clip(path, _painted(painter, frames, records), _rate(explanation.frames), width, height)


def _painted(painter: "_Painter", frames: Iterable[Frame], records: Mapping[int, FrameRecord]) -> Iterator["Image"]:
    left = len(records)
    for frame in frames:
        if record := records.get(frame.sequence):
            yield painter.paint(frame, record)
            left -= 1
            if not left:
                return


def _rate(frames: Sequence[FrameRecord]) -> Fraction:
    seconds = (frames[-1].captured_at - frames[0].captured_at).total_seconds()
    return Fraction((len(frames) - 1) / seconds if seconds > 0 else 1.0).limit_denominator(1001)


@dataclass(frozen=True, slots=True)
class _Label:
    """What is written at a vehicle, and in which colour."""

    lines: tuple[str, ...]
    colour: Colour


class _Painter:
    def __init__(self, explanation: Explanation, zone: ZoneInfo) -> None:
        self._camera: CameraSettings = explanation.camera
        self._zone = zone
        self._records = explanation.frames
        self._vehicles = {vehicle.track.id: vehicle for vehicle in explanation.vehicles}
        self._trails: dict[TrackId, list[Point]] = {}
        width, height = self._camera.frame_size
        self._scale = min(MAX_WIDTH, max(MIN_WIDTH, width)) / width
        self._picture = int(width * self._scale) // 2 * 2, int(height * self._scale) // 2 * 2
        self._signals = tuple(dict.fromkeys(name for record in self._records for name, _ in record.lamps))
        self._bars = self._time_bars()
        self.size = self._picture[0], self._picture[1] + self._bars.shape[0]

    def paint(self, frame: Frame, record: FrameRecord) -> "Image":
        image = decode(frame, halved=max(frame.width, frame.height) >= max(HALF_FROM_PX, 2 * self._picture[0]))
        canvas: Image = cv2.resize(image, self._picture, interpolation=cv2.INTER_AREA)
        self._draw_site(canvas, dict(record.lamps))
        for track, box in record.boxes:
            self._draw_vehicle(canvas, track, box, record)
        return np.vstack([canvas, self._bar_at(record)])

    def _draw_site(self, canvas: "Image", lamps: Mapping[SignalId, Lamp]) -> None:
        for lane in self._camera.lanes:
            cv2.polylines(canvas, [np.array([self._at(corner) for corner in lane.corners], np.int32)], True, _LANE, 1, cv2.LINE_AA)
            start, end = (self._at(Point(*point)) for point in lane.along)
            cv2.arrowedLine(canvas, start, end, _LANE, 2, cv2.LINE_AA, tipLength=0.08)
            self._text(canvas, lane.id, start, _LANE)
        for zone in self._camera.zones:
            corners = [self._at(corner) for corner in zone.corners]
            cv2.polylines(canvas, [np.array(corners, np.int32)], True, _ZONE, 1, cv2.LINE_AA)
            self._text(canvas, zone.id, corners[0], _ZONE)
        for marking in self._camera.markings:
            course = [self._at(Point(*point)) for point in marking.points]
            cv2.polylines(canvas, [np.array(course, np.int32)], False, _WHITE, 2, cv2.LINE_AA)
            self._text(canvas, marking.id, course[0], _WHITE)
        for line in self._camera.lines:
            start, end = (self._at(Point(*point)) for point in line.points)
            cv2.line(canvas, start, end, _LINE, 2, cv2.LINE_AA)
            self._text(canvas, line.id, start, _LINE)
        for signal in self._camera.signals:
            lamp = lamps.get(SignalId(signal.id), Lamp.UNKNOWN)
            for box in signal.boxes:
                cv2.rectangle(canvas, self._at(Point(box.x1, box.y1)), self._at(Point(box.x2, box.y2)), _LAMPS[lamp], 2)
            corner = signal.boxes[0]
            self._text(canvas, f"{signal.id}: {lamp.value}", self._at(Point(corner.x1, corner.y2 + 16 / self._scale)), _LAMPS[lamp])

    def _draw_vehicle(self, canvas: "Image", track: TrackId, box: Box, record: FrameRecord) -> None:
        label = _label(self._vehicles.get(track), track, record)
        trail = self._trails.setdefault(track, [])
        trail.append(box.foot)
        del trail[:-_TRAIL]
        cv2.polylines(canvas, [np.array([self._at(point) for point in trail], np.int32)], False, label.colour, 1, cv2.LINE_AA)
        corner = self._at(Point(box.x1, box.y1))
        cv2.rectangle(canvas, corner, self._at(Point(box.x2, box.y2)), label.colour, 2)
        for row, line in enumerate(reversed(label.lines)):
            self._text(canvas, line, (corner[0], corner[1] - 5 - 16 * row), label.colour)
        if vehicle := self._vehicles.get(track):
            for plate in (sighting for violation in vehicle.violations for sighting in violation.plate.sightings):
                if plate.sequence == record.sequence:
                    one, two = Point(plate.plate.box.x1, plate.plate.box.y1), Point(plate.plate.box.x2, plate.plate.box.y2)
                    cv2.rectangle(canvas, self._at(one), self._at(two), _WHITE, 1)
                    self._text(canvas, plate.read.text or "?", self._at(Point(one.x, two.y + 14 / self._scale)), _WHITE)

    def _time_bars(self) -> "Image":
        """One bar for each signal: its lamp over the whole video. Below them is room for the time."""
        width = self._picture[0]
        bars = np.zeros((_BAR_PX * (len(self._signals) + 1), width, 3), np.uint8)
        lamps = [dict(record.lamps) for record in self._records]
        for row, name in enumerate(self._signals):
            for column in range(width):
                lamp = lamps[column * len(lamps) // width].get(name, Lamp.UNKNOWN)
                bars[row * _BAR_PX + 2 : (row + 1) * _BAR_PX, column] = _LAMPS[lamp]
            self._text(bars, name, (6, (row + 1) * _BAR_PX - 6), _WHITE)
        return bars

    def _bar_at(self, record: FrameRecord) -> "Image":
        first, last = self._records[0].sequence, self._records[-1].sequence
        column = (record.sequence - first) * (self._picture[0] - 1) // max(1, last - first)
        bars = self._bars.copy()
        bars[:-_BAR_PX, max(0, column - 1) : column + 2] = _WHITE
        written = f"{self._camera.id}  {time_text(record.captured_at, self._zone)}  frame {record.sequence}"
        self._text(bars, written, (6, bars.shape[0] - 6), _WHITE)
        return bars

    def _at(self, point: Point) -> tuple[int, int]:
        return round(point.x * self._scale), round(point.y * self._scale)

    def _text(self, canvas: "Image", text: str, at: tuple[int, int], colour: Colour) -> None:
        """OpenCV's fonts have ASCII only; other characters become `?`."""
        shown = text.encode("ascii", "replace").decode()
        x, y = min(max(0, at[0]), max(0, canvas.shape[1] - 8 * len(shown))), max(12, at[1])
        cv2.putText(canvas, shown, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _BLACK, 3, cv2.LINE_AA)
        cv2.putText(canvas, shown, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def _label(vehicle: ExplainedVehicle | None, track: TrackId, record: FrameRecord) -> _Label:
    """The id, and from the crossing on the decisions."""
    if vehicle is None:
        return _Label((track,), _NOT_MET)
    known = [decision for decision in vehicle.decisions if _is_over(decision, record)]
    plates = [violation.plate.text or "plate unread" for violation in vehicle.violations]
    lines = (" ".join([track, *plates[:1]]), *(f"{decision.judgement.rule}: {decision.reason.value}" for decision in known))
    return _Label(lines, _colour_of(known))


def _is_over(decision: RuleDecision, record: FrameRecord) -> bool:
    """Whether the vehicle has crossed the line by this frame; decisions without a crossing are always shown."""
    crossed = decision.judgement.crossed
    return crossed is None or crossed.at <= record.captured_at


def _colour_of(decisions: Sequence[RuleDecision]) -> Colour:
    if not decisions:
        return _NOT_MET
    if any(decision.reason is Reason.REPORTED for decision in decisions):
        return _REPORTED
    return _UNSEEN if any(decision.reason.could_not_be_seen for decision in decisions) else _LAWFUL
