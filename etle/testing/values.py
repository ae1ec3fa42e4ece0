"""Complete, consistent example values. A test changes the fields it is about with `dataclasses.replace`."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from etle.types import (
    Article,
    Box,
    CameraId,
    Certainty,
    CharacterRead,
    Clip,
    Decision,
    Digest,
    Drawing,
    EvidenceFile,
    EvidencePicture,
    EvidenceRole,
    Frame,
    Lamp,
    Measurement,
    Plate,
    PlateBox,
    PlateColour,
    PlateRead,
    PlateSighting,
    Point,
    Provenance,
    RuleName,
    Sighting,
    SignalReading,
    TrackId,
    VehicleClass,
    Verdict,
    Violation,
    ViolationId,
    ViolationMessage,
    digest_of,
)

BEGIN: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
WIDTH: Final = 64
HEIGHT: Final = 48
_NAMESPACE: Final = UUID("6d1f6c1e-6f3c-4b53-9a5e-0c8f4c1a2b33")
_GREY: Final = b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/"
    "wAALCAAwAEABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AIQAAAAAAAAAAAAAAAf/2Q=="
)
"""A grey JPEG of 64 x 48 pixels."""


def a_jpeg(comment: str = "") -> bytes:
    """A grey JPEG of 64 x 48 pixels. A different comment gives different bytes of the same image."""
    text = comment.encode()
    return _GREY[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + _GREY[2:]


def a_frame(sequence: int = 0, *, camera: str = "cam-1", captured_at: datetime | None = None, jpeg: bytes | None = None) -> Frame:
    """The frame of that sequence number, at 10 frames per second from BEGIN."""
    at = captured_at or BEGIN + timedelta(seconds=sequence / 10)
    data = jpeg if jpeg is not None else a_jpeg(f"{camera} {sequence}")
    return Frame(
        camera=CameraId(camera),
        sequence=sequence,
        captured_at=at,
        received_at=at,
        clock_error_s=None,
        width=WIDTH,
        height=HEIGHT,
        sha256=digest_of(data),
        jpeg=data,
    )


def a_read(text: str = "B1432GMC", reader: str = "scripted-reader", probability: float = 0.99) -> PlateRead:
    characters = tuple(CharacterRead(character=character, probability=probability) for character in text)
    return PlateRead(reader=reader, text=text, characters=characters, colour=PlateColour.WHITE)


def a_plate(text: str | None = "B1432GMC", *, certainty: Certainty | None = None) -> Plate:
    """A certain plate with one read; with `text` None an unreadable one without reads."""
    read = a_read(text or "")
    sighting = PlateSighting(
        sequence=10, captured_at=BEGIN, plate=PlateBox(box=Box(20, 30, 40, 36), score=0.9), sharpness=200.0, contrast=120.0, read=read
    )
    return Plate(
        text=text,
        characters=read.characters,
        probability=0.97 if text else 0.0,
        certainty=certainty or (Certainty.CERTAIN if text else Certainty.UNREADABLE),
        colour=PlateColour.WHITE,
        expiry="05·30",
        alternatives=(),
        notes=(),
        sightings=(sighting,) if text else (),
    )


def a_file(data: bytes, suffix: str = ".jpg") -> EvidenceFile:
    return EvidenceFile(sha256=digest_of(data), suffix=suffix, data=data)


def a_violation_message(
    name: str = "1",
    *,
    plate: str | None = "B1432GMC",
    rule: str = "red_light",
    camera: str = "cam-1",
    occurred_at: datetime = BEGIN,
    clip: bytes | None = b"not really a video",
) -> ViolationMessage:
    """A violation with its files: pictures before, at and after it, and a clip. Each name gives another violation and other pictures."""
    roles = (EvidenceRole.BEFORE, EvidenceRole.AT, EvidenceRole.AFTER)
    pictures = tuple(a_file(a_jpeg(f"{name} {role}")) for role in roles)
    clip_file = (a_file(clip + name.encode(), ".mp4"),) if clip is not None else ()
    times = tuple(occurred_at + timedelta(seconds=number) for number in (-1, 0, 1))
    violation = Violation(
        id=ViolationId(uuid5(_NAMESPACE, name)),
        site="simpang",
        camera=CameraId(camera),
        camera_name="Simpang Barat",
        rule=RuleName(rule),
        article=_article(),
        occurred_at=occurred_at,
        timezone="Asia/Jakarta",
        vehicle=VehicleClass.CAR,
        track=TrackId("1"),
        measured=(Measurement(name="time_into_red", value=1.4, unit="s", uncertainty=0.05),),
        signal=(SignalReading(captured_at=times[0], lamp=Lamp.RED, score=0.98),),
        path=tuple(_sighting(number, at) for number, at in enumerate(times)),
        plate=a_plate(plate),
        pictures=tuple(_picture(*fields) for fields in zip(roles, range(3), times, pictures, strict=True)),
        clip=Clip(starts_at=times[0], ends_at=times[2], width=WIDTH, height=HEIGHT, sha256=clip_file[0].sha256) if clip_file else None,
        drawing=Drawing(lines=(("henti", (Point(0, 30), Point(64, 30))),), areas=(), signals=(("barat", Box(2, 2, 8, 16)),)),
        provenance=Provenance(code_version="0", models=(), config_digest=Digest("cd" * 32), run="test"),
    )
    return ViolationMessage(violation=violation, files=(*pictures, *clip_file))


def a_violation(name: str = "1", *, plate: str | None = "B1432GMC", rule: str = "red_light", occurred_at: datetime = BEGIN) -> Violation:
    return a_violation_message(name, plate=plate, rule=rule, occurred_at=occurred_at).violation


def a_decision(
    violation: Violation,
    verdict: Verdict = Verdict.CONFIRM,
    *,
    reviewer: str = "rina",
    decided_at: datetime = BEGIN,
    reason: str | None = None,
    plate_text: str | None = None,
    seconds_taken: float | None = 5.0,
) -> Decision:
    """By default with the plate text as it was read, and with a reason if the verdict requires one."""
    return Decision(
        violation=violation.id,
        verdict=verdict,
        reason=reason or ("no_violation" if verdict.needs_reason else None),
        plate_text=plate_text or violation.plate.text,
        note="",
        reviewer=reviewer,
        decided_at=decided_at,
        seconds_taken=seconds_taken,
    )


def _article() -> Article:
    return Article(
        offence="RED",
        law="UU 22/2009",
        article="Pasal 287 ayat (2)",
        max_fine_idr=500_000,
        title_id="Melanggar lampu merah",
        title_en="Running a red light",
    )


def _sighting(sequence: int, at: datetime) -> Sighting:
    top = 20.0 - 5 * sequence
    return Sighting(sequence=sequence, captured_at=at, box=Box(15, top, 45, top + 25), vehicle=VehicleClass.CAR, score=0.9)


def _picture(role: EvidenceRole, sequence: int, at: datetime, file: EvidenceFile) -> EvidencePicture:
    return EvidencePicture(
        role=role,
        sequence=sequence,
        captured_at=at,
        width=WIDTH,
        height=HEIGHT,
        sha256=file.sha256,
        vehicle_box=_sighting(sequence, at).box,
        plate_box=Box(20, 30, 40, 36),
    )
