"""Violations with drawn evidence: a car with a plate drives over a stop line while the signal is red."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import av
import cv2
import numpy as np

from etle.types import (
    Article,
    Box,
    CameraId,
    Certainty,
    CharacterRead,
    Clip,
    Digest,
    Drawing,
    EvidenceFile,
    EvidencePicture,
    EvidenceRole,
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
    Violation,
    ViolationId,
    ViolationMessage,
    digest_of,
)

if TYPE_CHECKING:
    from etle.types import Image

WIDTH, HEIGHT, STEPS, STEP_S = 1280, 720, 30, 0.1
STARTS_AT = datetime(2026, 11, 24, 7, 3, 20, tzinfo=UTC)
LINE_Y = 430.0
NAMESPACE = UUID("0d9c2a3e-5a4e-4c63-9c61-5f2b8f6f2c11")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpec:
    """What differs between the cases of the tests."""

    name: str
    plate: str | None = "B1432GMC"
    certainty: Certainty = Certainty.CERTAIN
    doubtful: int | None = None
    """Index of the character that was read with a low probability."""
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()
    vehicle: VehicleClass = VehicleClass.CAR
    camera_name: str = "Sudirman Barat 1"
    occurred_after: timedelta = timedelta()
    wrong_way: bool = False
    """Whether the rule is that of a lane with a legal direction, without a signal."""
    late_from: int | None = None
    """Step from which the pictures of the clip were captured 0.4 s late: a gap, which the video of constant rate does not show."""


def moment(step: int) -> datetime:
    return STARTS_AT + timedelta(seconds=STEP_S * step)


def captured_at(spec: CaseSpec, step: int) -> datetime:
    late = spec.late_from is not None and step >= spec.late_from
    return moment(step) + spec.occurred_after + timedelta(seconds=0.4 * late)


def vehicle_box(step: int) -> Box:
    y2 = 700.0 - 14 * step
    return Box(520, y2 - 230, 780, y2)


def plate_box(step: int) -> Box:
    body = vehicle_box(step)
    return Box(body.x1 + 70, body.y2 - 70, body.x2 - 70, body.y2 - 32)


def draw_frame(step: int, text: str) -> "Image":
    """The camera's frame at that step, with `text` on the plate."""
    picture = np.full((HEIGHT, WIDTH, 3), (92, 90, 88), np.uint8)
    cv2.line(picture, (250, int(LINE_Y)), (1030, int(LINE_Y)), (235, 235, 235), 9)
    for x in (250, 640, 1030):
        cv2.line(picture, (x, 720), (640 + (x - 640) // 3, 120), (215, 215, 215), 4)
    cv2.rectangle(picture, (120, 70), (170, 200), (30, 30, 30), -1)
    for y, colour in ((95, (70, 70, 240)), (135, (40, 80, 90)), (175, (50, 80, 40))):
        cv2.circle(picture, (145, y), 16, colour, -1)
    body, plate = vehicle_box(step), plate_box(step)
    cv2.rectangle(picture, (int(body.x1), int(body.y1)), (int(body.x2), int(body.y2)), (120, 60, 40), -1)
    cv2.rectangle(picture, (int(body.x1) + 25, int(body.y1) + 20), (int(body.x2) - 25, int(body.y1) + 95), (200, 190, 180), -1)
    cv2.rectangle(picture, (int(plate.x1), int(plate.y1)), (int(plate.x2), int(plate.y2)), (250, 250, 250), -1)
    cv2.putText(picture, text, (int(plate.x1) + 4, int(plate.y2) - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.58, (10, 10, 10), 2, cv2.LINE_AA)
    return picture


def encode_clip(folder: Path, text: str) -> bytes:
    path = folder / "clip.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH // 2, HEIGHT // 2, "yuv420p"
        for step in range(STEPS):
            small = cv2.resize(draw_frame(step, text), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")))
        container.mux(stream.encode())
    return path.read_bytes()


def violation_message(spec: CaseSpec, folder: Path) -> ViolationMessage:
    text = spec.plate or "-"
    files = []

    def keep(data: bytes, suffix: str) -> Digest:
        files.append(EvidenceFile(sha256=digest_of(data), suffix=suffix, data=data))
        return digest_of(data)

    def picture(role: EvidenceRole, step: int) -> EvidencePicture:
        data = cv2.imencode(".jpg", draw_frame(step, text))[1].tobytes()
        return EvidencePicture(
            role=role,
            sequence=step,
            captured_at=moment(step) + spec.occurred_after,
            width=WIDTH,
            height=HEIGHT,
            sha256=keep(data, ".jpg"),
            vehicle_box=vehicle_box(step),
            plate_box=plate_box(step) if spec.plate else None,
        )

    pictures = tuple(
        picture(role, step)
        for role, step in ((EvidenceRole.BEFORE, 10), (EvidenceRole.AT, 20), (EvidenceRole.AFTER, 28), (EvidenceRole.PLATE, 5))
    )
    clip = keep(encode_clip(folder, text), ".mp4")
    violation = Violation(
        id=ViolationId(uuid5(NAMESPACE, spec.name)),
        site="Simpang Sudirman",
        camera=CameraId("sudirman-barat-1"),
        camera_name=spec.camera_name,
        rule=RuleName("red_light"),
        article=Article(
            offence="RED",
            law="UU 22/2009",
            article="Pasal 287 ayat (2)",
            max_fine_idr=500_000,
            title_id="Melanggar lampu merah",
            title_en="Running a red light",
        ),
        occurred_at=moment(20) - timedelta(milliseconds=70) + spec.occurred_after,
        timezone="Asia/Jakarta",
        vehicle=spec.vehicle,
        track=TrackId("t-1"),
        measured=(Measurement(name="time_into_red", value=1.43, unit="s", uncertainty=0.05),),
        signal=(
            SignalReading(captured_at=moment(0) + spec.occurred_after, lamp=Lamp.YELLOW, score=0.9),
            SignalReading(captured_at=moment(5) + spec.occurred_after, lamp=Lamp.RED, score=0.98),
        ),
        path=tuple(
            Sighting(sequence=step, captured_at=captured_at(spec, step), box=vehicle_box(step), vehicle=spec.vehicle, score=0.9)
            for step in range(STEPS)
        ),
        plate=plate_of(spec),
        pictures=pictures,
        clip=Clip(
            starts_at=moment(0) + spec.occurred_after,
            ends_at=moment(STEPS) + spec.occurred_after,
            width=WIDTH // 2,
            height=HEIGHT // 2,
            sha256=clip,
            offsets_s=tuple((captured_at(spec, step) - captured_at(spec, 0)).total_seconds() for step in range(STEPS))
            if spec.late_from is not None
            else (),
        ),
        drawing=Drawing(
            lines=(("stop_line", (Point(250, LINE_Y), Point(1030, LINE_Y))),), areas=(), signals=(("north", Box(120, 70, 170, 200)),)
        ),
        marks=spec.marks,
        provenance=Provenance(code_version="0.1.0", models=(("plates", Digest("ab" * 32)),), config_digest=Digest("cd" * 32), run="test"),
    )
    return ViolationMessage(violation=wrong_way(violation) if spec.wrong_way else violation, files=tuple(files))


def wrong_way(violation: Violation) -> Violation:
    lane = (Point(300, 200), Point(980, 200), Point(1100, 700), Point(180, 700))
    return replace(
        violation,
        rule=RuleName("wrong_way"),
        measured=(Measurement(name="against", value=9.2, unit="m", uncertainty=0.4),),
        signal=(),
        drawing=Drawing(lines=(), areas=(("ke selatan", lane),), signals=(), arrows=(("ke selatan", (Point(640, 220), Point(640, 680))),)),
    )


def plate_of(spec: CaseSpec) -> Plate:
    characters = tuple(
        CharacterRead(character=c, probability=0.61, alternatives=(("8", 0.3),))
        if index == spec.doubtful
        else CharacterRead(character=c, probability=0.995)
        for index, c in enumerate(spec.plate or "")
    )
    read = PlateRead(reader="test", text=spec.plate or "", characters=characters)
    return Plate(
        text=spec.plate,
        characters=characters,
        probability=0.61 if spec.doubtful is not None else 0.97,
        certainty=spec.certainty,
        colour=PlateColour.WHITE,
        expiry="05·30",
        alternatives=spec.alternatives,
        notes=spec.notes,
        sightings=(
            PlateSighting(
                sequence=5, captured_at=moment(5), plate=PlateBox(box=plate_box(5), score=0.9), sharpness=310.0, contrast=140.0, read=read
            ),
        ),
    )


DEVICE_FACTS = {
    "device": "Acme Radar 9, RS-0017, 2.4",
    "vendor": "acme",
    "certificate": "KAL-2026-118",
    "certificate_authority": "Direktorat Metrologi",
    "certificate_valid": "2026-01-01 – 2026-12-31",
    "certificate_state": "valid",
    "device_limit": "60 km/h",
    "tolerance": "3 km/h",
}


def of_device(violation: Violation, **facts: str) -> Violation:
    """As the push API makes it: without path, signal, clip and drawing."""
    return replace(
        violation,
        rule=RuleName("speed"),
        measured=(Measurement(name="speed", value=83.4, unit="km/h", uncertainty=0.5),),
        signal=(),
        path=(),
        clip=None,
        plate=replace(violation.plate, sightings=()),
        drawing=replace(violation.drawing, lines=(), areas=(), signals=(), feeds=(), arrows=()),
        facts=tuple((DEVICE_FACTS | facts).items()),
        marks=() if facts.get("certificate_state", "valid") == "valid" else ("lead",),
    )
