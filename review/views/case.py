"""A case as its page shows it: everything in words and picture coordinates, so that the templates only lay out.

Drawn shapes are in pixels of the original frame; the page scales picture and drawing together.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from etle.plates import NOTE_TEXTS, PlateKind, PlateNote, formatted, notes_on, parse
from etle.types import (
    Box,
    Case,
    Certainty,
    Decision,
    Digest,
    EvidencePicture,
    EvidenceRole,
    Lamp,
    Measurement,
    Plate,
    Point,
    Verdict,
    Violation,
)
from review.i18n import COVERAGE, Language, Wording

SURE: Final = 0.98
"""A character below this is pointed at; below `FAIR` it is the first thing to look at."""
FAIR: Final = 0.90
REASONS: Final = ("wrong_plate", "no_violation", "unclear_picture", "emergency_vehicle", "signal_fault", "other")
"""In the order of their number keys."""


class Trust(StrEnum):
    SURE = "sure"
    FAIR = "fair"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCell:
    """One character of the plate; `character` empty: a gap between its parts."""

    character: str
    percent: str = ""
    trust: Trust = Trust.SURE
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A part of a picture to be shown large."""

    label: str
    digest: Digest
    width: int
    height: int
    window: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShape:
    name: str
    points: str
    label_at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureView:
    role: EvidenceRole
    label: str
    digest: Digest
    width: int
    height: int
    time: str
    relative: str
    lamp: Lamp | None
    vehicle_box: Box | None
    plate_box: Box | None
    trail: str
    """Where the vehicle stood up to this picture, as points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSegment:
    """A stretch of the signal over the clip, in thousandths of it."""

    lamp: Lamp
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMark:
    at: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalView:
    lamp: Lamp
    for_s: str
    at_least: bool
    """It showed this already when the clip began."""
    segments: tuple[SignalSegment, ...]
    marks: tuple[TimelineMark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredView:
    name: str
    text: str
    stated: bool
    """Whether an uncertainty was."""
    touches_zero: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    reader: str
    text: str
    percent: str
    time: str
    sharpness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateView:
    text: str
    """As people write it; empty if nothing was legible."""
    cells: tuple[PlateCell, ...]
    certainty: Certainty
    percent: str
    colour: str
    expiry: str | None
    region: str | None
    alternatives: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    reads: tuple[ReadView, ...]
    crop: Crop | None
    crops: tuple[Crop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    verdict: Verdict
    label: str
    reason: str | None
    plate: str
    plate_changed: bool
    note: str
    reviewer: str
    when: str
    seconds: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    title: str
    date: str
    time: str
    plate: PlateView
    plate_now: str
    """The plate as the last decision left it, else as it was read."""
    pictures: tuple[PictureView, ...]
    lines: tuple[NamedShape, ...]
    areas: tuple[NamedShape, ...]
    signals: tuple[tuple[str, Box], ...]
    signal: SignalView | None
    measured: tuple[MeasuredView, ...]
    decisions: tuple[DecisionView, ...]
    clip: "ClipView | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipView:
    digest: Digest
    width: int
    height: int
    """Of the original frames, in which `path` and the drawing are."""
    duration_s: float
    occurred_s: float
    step_s: float
    path: tuple[tuple[float, float, float, float, float], ...]
    """Second of the clip, then the vehicle's box."""
    lamps: tuple[tuple[float, str], ...]


def view_of(case: Case, words: Wording) -> CaseView:
    violation = case.violation
    title = violation.article.title_id if words.language is Language.INDONESIAN else violation.article.title_en
    last = case.decisions[-1].plate_text if case.decisions else violation.plate.text
    return CaseView(
        title=title,
        date=words.date(violation.occurred_at, violation.timezone),
        time=words.time(violation.occurred_at, violation.timezone, digits=2),
        plate=plate_view(violation, words),
        plate_now=formatted(last or ""),
        pictures=tuple(picture_view(picture, violation, words) for picture in violation.pictures if picture.role is not EvidenceRole.PLATE),
        lines=tuple(_shape(name, points) for name, points in violation.drawing.lines),
        areas=tuple(_shape(name, points) for name, points in violation.drawing.areas),
        signals=violation.drawing.signals,
        signal=signal_view(violation, words),
        measured=tuple(measured_view(each, words) for each in violation.measured),
        decisions=tuple(decision_view(each, violation, words) for each in case.decisions),
        clip=clip_view(violation),
    )


def picture_view(picture: EvidencePicture, violation: Violation, words: Wording) -> PictureView:
    offset_s = (picture.captured_at - violation.occurred_at).total_seconds()
    trail = [sighting.box.foot for sighting in violation.path if sighting.captured_at <= picture.captured_at]
    return PictureView(
        role=picture.role,
        label=words(f"picture.{picture.role}"),
        digest=picture.sha256,
        width=picture.width,
        height=picture.height,
        time=words.time(picture.captured_at, violation.timezone, digits=2),
        relative=words("picture.relative", seconds=words.signed_seconds(offset_s, 2)),
        lamp=lamp_at(violation, picture.captured_at),
        vehicle_box=picture.vehicle_box,
        plate_box=picture.plate_box,
        trail=_points(trail),
    )


def lamp_at(violation: Violation, moment: datetime) -> Lamp | None:
    """What the last reading up to then said; None if the rule has no signal or nothing was read yet."""
    shown = [reading.lamp for reading in violation.signal if reading.captured_at <= moment]
    return shown[-1] if shown else None


def signal_view(violation: Violation, words: Wording) -> SignalView | None:
    if not violation.signal:
        return None
    starts, ends = _span(violation)
    length_s = max((ends - starts).total_seconds(), 0.001)

    def place(moment: datetime) -> float:
        return min(1000.0, max(0.0, 1000 * (moment - starts).total_seconds() / length_s))

    edges = [*violation.signal]
    until = [reading.captured_at for reading in edges[1:]] + [ends]
    segments = [
        SignalSegment(lamp=reading.lamp, start=place(reading.captured_at), width=place(end) - place(reading.captured_at))
        for reading, end in zip(edges, until, strict=True)
    ]
    before = [index for index, reading in enumerate(edges) if reading.captured_at <= violation.occurred_at]
    now = before[-1] if before else 0
    marks = [TimelineMark(at=place(violation.occurred_at), label="", kind="occurred")]
    shown = [picture for picture in violation.pictures if picture.role is not EvidenceRole.PLATE]
    marks += [TimelineMark(at=place(picture.captured_at), label=str(number), kind="picture") for number, picture in enumerate(shown, 1)]
    return SignalView(
        lamp=edges[now].lamp if before else Lamp.UNKNOWN,
        for_s=words.seconds((violation.occurred_at - edges[now].captured_at).total_seconds(), 2),
        at_least=now == 0,
        segments=tuple(segment for segment in segments if segment.width > 0),
        marks=tuple(marks),
    )


def measured_view(measurement: Measurement, words: Wording) -> MeasuredView:
    half = None if measurement.uncertainty is None else COVERAGE * measurement.uncertainty
    return MeasuredView(
        name=words.known(f"measured.{measurement.name}", measurement.name.replace("_", " ")),
        text=words.interval(measurement),
        stated=half is not None,
        touches_zero=half is not None and abs(measurement.value) <= half,
    )


def plate_view(violation: Violation, words: Wording) -> PlateView:
    plate = violation.plate
    crops = plate_crops(violation, words)
    area = parse(plate.text).region if plate.text else None
    return PlateView(
        text=formatted(plate.text or ""),
        cells=plate_cells(plate, words),
        certainty=plate.certainty,
        percent=words.percent(plate.probability),
        colour=words(f"colour.{plate.colour}"),
        expiry=plate.expiry,
        region=f"{area.area} ({area.polda})" if area else None,
        alternatives=tuple((formatted(text), words.percent(p)) for text, p in plate.alternatives if text != plate.text),
        notes=tuple(note_text(note, words) for note in plate.notes),
        reads=tuple(
            ReadView(
                reader=sighting.read.reader,
                text=sighting.read.text or words("plate.empty"),
                percent=words.percent(min((c.probability for c in sighting.read.characters), default=0.0)),
                time=words.time(sighting.captured_at, violation.timezone, digits=2),
                sharpness=words.number(sighting.sharpness),
            )
            for sighting in plate.sightings
        ),
        crop=best_crop(violation, crops),
        crops=crops,
    )


def plate_cells(plate: Plate, words: Wording) -> tuple[PlateCell, ...]:
    """One per character with gaps where people write spaces; without a text there is none."""
    if plate.text is None:
        return ()
    reads = iter(plate.characters)
    cells = []
    for character in formatted(plate.text):
        read = next(reads, None) if character.isalnum() else None
        if character == " ":
            cells.append(PlateCell(character=""))
        elif read is None:
            cells.append(PlateCell(character=character))
        else:
            others = tuple((text, words.percent(p)) for text, p in read.alternatives if text != character)[:2]
            cells.append(
                PlateCell(character=character, percent=words.percent(read.probability), trust=trust(read.probability), others=others)
            )
    return tuple(cells)


def trust(probability: float) -> Trust:
    if probability >= SURE:
        return Trust.SURE
    return Trust.FAIR if probability >= FAIR else Trust.DOUBT


def plate_crops(violation: Violation, words: Wording) -> tuple[Crop, ...]:
    return tuple(_crop(picture, picture.plate_box, words) for picture in violation.pictures if picture.plate_box is not None)


def best_crop(violation: Violation, crops: Sequence[Crop]) -> Crop | None:
    """That of the picture which was kept for its plate, else the largest."""
    roles = [picture.role for picture in violation.pictures if picture.plate_box is not None]
    if EvidenceRole.PLATE in roles:
        return crops[roles.index(EvidenceRole.PLATE)]
    return max(crops, key=lambda crop: crop.window.width, default=None)


def note_text(note: str, words: Wording) -> str:
    try:
        indonesian, english = NOTE_TEXTS[PlateNote(note)]
    except ValueError:
        return note
    return indonesian if words.language is Language.INDONESIAN else english


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCheck:
    """What the grammar says of a text that a reviewer typed."""

    text: str
    """Without spaces: what a decision keeps."""
    formatted: str
    is_plate: bool
    region: str | None
    notes: tuple[str, ...]


def check_plate(typed: str, violation: Violation, words: Wording) -> PlateCheck:
    plate = parse(typed)
    notes = notes_on(plate, violation.vehicle, violation.occurred_at)
    return PlateCheck(
        text=plate.text,
        formatted=formatted(plate.text),
        is_plate=plate.kind is not PlateKind.UNKNOWN,
        region=f"{plate.region.area} ({plate.region.polda})" if plate.region else None,
        notes=tuple(note_text(note, words) for note in notes),
    )


def decision_view(decision: Decision, violation: Violation, words: Wording) -> DecisionView:
    return DecisionView(
        verdict=decision.verdict,
        label=words(VERDICT_TEXTS[decision.verdict]),
        reason=words.known(f"reason.{decision.reason}", decision.reason) if decision.reason else None,
        plate=formatted(decision.plate_text or ""),
        plate_changed=decision.plate_text != violation.plate.text,
        note=decision.note,
        reviewer=decision.reviewer,
        when=f"{words.date(decision.decided_at, violation.timezone)} {words.time(decision.decided_at, violation.timezone)}",
        seconds=words.seconds(decision.seconds_taken) if decision.seconds_taken is not None else None,
    )


VERDICT_TEXTS: Final = {
    Verdict.CONFIRM: "verdict.confirmed",
    Verdict.REJECT: "verdict.rejected",
    Verdict.WARN: "verdict.warned",
}


def clip_view(violation: Violation) -> ClipView | None:
    if violation.clip is None:
        return None
    start = violation.clip.starts_at

    def second(moment: datetime) -> float:
        return round((moment - start).total_seconds(), 3)

    size = violation.pictures[0] if violation.pictures else violation.clip
    return ClipView(
        digest=violation.clip.sha256,
        width=size.width,
        height=size.height,
        duration_s=second(violation.clip.ends_at),
        occurred_s=second(violation.occurred_at),
        step_s=_step_s(violation),
        path=tuple((second(s.captured_at), *(round(edge, 1) for edge in s.box)) for s in violation.path),  # type: ignore[misc]  # a box has four edges
        lamps=tuple((second(reading.captured_at), str(reading.lamp)) for reading in violation.signal),
    )


def _step_s(violation: Violation) -> float:
    """Time between two frames as the vehicle was seen in them; a tenth of a second where that is not known."""
    gaps = [(later.captured_at - earlier.captured_at).total_seconds() for earlier, later in pairwise(violation.path)]
    return round(statistics.median(gaps), 3) if gaps else 0.1


def _span(violation: Violation) -> tuple[datetime, datetime]:
    """The time that the signal's strip covers: that of the clip, else that of the pictures and readings."""
    if violation.clip is not None:
        return violation.clip.starts_at, violation.clip.ends_at
    moments = [reading.captured_at for reading in violation.signal] + [picture.captured_at for picture in violation.pictures]
    return min([*moments, violation.occurred_at]), max([*moments, violation.occurred_at])


def _crop(picture: EvidencePicture, box: Box, words: Wording) -> Crop:
    """The plate with a margin, in the shape of the window it is shown in (3 to 1), never leaving the plate out."""
    width = max(box.width * 1.15, box.height * 1.25 * 3)
    height = width / 3
    centre = box.centre
    window = Box(centre.x - width / 2, centre.y - height / 2, centre.x + width / 2, centre.y + height / 2)
    return Crop(label=words(f"picture.{picture.role}"), digest=picture.sha256, width=picture.width, height=picture.height, window=window)


def _shape(name: str, points: Sequence[Point]) -> NamedShape:
    return NamedShape(name=name.replace("_", " "), points=_points(points), label_at=min(points, key=lambda point: point.x))


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
