"""The plate: its characters with their probabilities, crops of the pictures, the reads behind it, and checks of a typed text."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from etle.plates import WARNING_TEXTS, PlateKind, PlateWarning, formatted, parse, warnings_for
from etle.types import Box, Certainty, CharacterRead, Digest, EvidencePicture, EvidenceRole, Plate, PlateSighting, Violation
from review.i18n import Translator

SURE: Final = 0.98
FAIR: Final = 0.90
"""Probabilities from which a character is shown as sure or as fair; one below `FAIR` is shown as doubtful."""
CROP_ASPECT: Final = 3
"""Width by height of a crop, as in the stylesheet."""
LEAST_SHOWN: Final = 0.01
"""Less likely possibilities would read 0 %."""
MAX_OTHER_CHARACTERS: Final = 2


class CharacterConfidence(StrEnum):
    """How a character is shown; the value is its CSS class."""

    SURE = "sure"
    FAIR = "fair"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCell:
    """One character of the plate. An empty `character` is a gap between its parts."""

    character: str
    percent: str = ""
    trust: CharacterConfidence = CharacterConfidence.SURE
    others: tuple[tuple[str, str], ...] = ()
    """Other likely characters with their probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropView:
    """A part of a picture, shown enlarged; `window` is in pixels of the picture."""

    label: str
    digest: Digest
    width: int
    height: int
    window: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    reader: str
    text: str
    percent: str
    """Probability of the least certain character."""
    time: str
    sharpness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateView:
    text: str
    """With spaces; empty if nothing was legible."""
    cells: tuple[PlateCell, ...]
    certainty: Certainty
    percent: str
    colour: str
    expiry: str | None
    region: str | None
    alternatives: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    reads: tuple[ReadView, ...]
    crop: CropView | None
    crops: tuple[CropView, ...]


def plate_view(violation: Violation, t: Translator) -> PlateView:
    plate = violation.plate
    crops = plate_crops(violation, t)
    area = parse(plate.text).region if plate.text else None
    return PlateView(
        text=formatted(plate.text or ""),
        cells=plate_cells(plate, t),
        certainty=plate.certainty,
        percent=t.percent(plate.probability),
        colour=t(f"colour.{plate.colour}"),
        expiry=plate.expiry,
        region=f"{area.area} ({area.polda})" if area else None,
        alternatives=tuple((formatted(text), t.percent(p)) for text, p in plate.alternatives if text != plate.text and p >= LEAST_SHOWN),
        notes=tuple(note_text(note, t) for note in plate.notes),
        reads=tuple(_read_view(sighting, violation.timezone, t) for sighting in plate.sightings),
        crop=best_crop(violation, crops),
        crops=crops,
    )


def plate_cells(plate: Plate, t: Translator) -> tuple[PlateCell, ...]:
    """One cell per character, with gaps where the plate is written with spaces. Empty if the plate has no text."""
    if plate.text is None:
        return ()
    reads = iter(plate.characters)
    return tuple(_cell(character, next(reads, None) if character.isalnum() else None, t) for character in formatted(plate.text))


def _cell(character: str, read: CharacterRead | None, t: Translator) -> PlateCell:
    if read is None:
        return PlateCell(character=character.strip())
    others = tuple((text, t.percent(p)) for text, p in read.alternatives if text != character and p >= LEAST_SHOWN)
    return PlateCell(
        character=character, percent=t.percent(read.probability), trust=trust(read.probability), others=others[:MAX_OTHER_CHARACTERS]
    )


def trust(probability: float) -> CharacterConfidence:
    if probability >= SURE:
        return CharacterConfidence.SURE
    return CharacterConfidence.FAIR if probability >= FAIR else CharacterConfidence.DOUBT


def _read_view(sighting: PlateSighting, timezone: str, t: Translator) -> ReadView:
    read = sighting.read
    return ReadView(
        reader=read.reader,
        text=read.text or t("plate.empty"),
        percent=t.percent(min((c.probability for c in read.characters), default=0.0)),
        time=t.time(sighting.captured_at, timezone, digits=2),
        sharpness=t.number(sighting.sharpness),
    )


def plate_crops(violation: Violation, t: Translator) -> tuple[CropView, ...]:
    return tuple(_crop(picture, picture.plate_box, t) for picture in violation.pictures if picture.plate_box is not None)


def best_crop(violation: Violation, crops: Sequence[CropView]) -> CropView | None:
    """The crop of the picture that was kept for its plate, else the largest one."""
    roles = [picture.role for picture in violation.pictures if picture.plate_box is not None]
    if EvidenceRole.PLATE in roles:
        return crops[roles.index(EvidenceRole.PLATE)]
    return max(crops, key=lambda crop: crop.window.width, default=None)


def _crop(picture: EvidencePicture, box: Box, t: Translator) -> CropView:
    """The plate with a margin of at least 15 % of its width and 25 % of its height, at the aspect ratio of the crop's frame."""
    width = max(box.width * 1.15, box.height * 1.25 * CROP_ASPECT)
    height = width / CROP_ASPECT
    centre = box.centre
    window = Box(centre.x - width / 2, centre.y - height / 2, centre.x + width / 2, centre.y + height / 2)
    return CropView(label=t(f"picture.{picture.role}"), digest=picture.sha256, width=picture.width, height=picture.height, window=window)


def note_text(note: str, t: Translator) -> str:
    """A note that this version does not know is shown as it is."""
    try:
        return t.choose(*WARNING_TEXTS[PlateWarning(note)])
    except ValueError:
        return note


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCheck:
    """A plate text that a reviewer typed, checked against the plate grammar."""

    text: str
    """Without spaces, as a decision stores it."""
    formatted: str
    is_plate: bool
    region: str | None
    notes: tuple[str, ...]


def check_plate(typed: str, violation: Violation, t: Translator) -> PlateCheck:
    plate = parse(typed)
    notes = warnings_for(plate, violation.vehicle, violation.occurred_at)
    return PlateCheck(
        text=plate.text,
        formatted=formatted(plate.text),
        is_plate=plate.kind is not PlateKind.UNKNOWN,
        region=f"{plate.region.area} ({plate.region.polda})" if plate.region else None,
        notes=tuple(note_text(note, t) for note in notes),
    )
