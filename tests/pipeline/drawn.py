"""Drawn footage for the tests of the stage: red rectangles on grey as vehicles, and a detector that finds them by their colour."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import cv2
import numpy as np
from scenario import BEGIN, WIDTH, camera, second

from etle.config import site as config
from etle.protocols import LampReader, PlateReader
from etle.types import (
    Box,
    CameraId,
    Detection,
    Digest,
    EvidenceFile,
    Frame,
    Lamp,
    LocatedHead,
    PlateBox,
    PlateRead,
    Provenance,
    VehicleClass,
    Violation,
    digest_of,
)
from models.vehicles.classes import moved
from pipeline.assembly import shipped_law
from pipeline.attributes.search import AttributeSearch
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState
from pipeline.evidence.builder import EvidenceBuilder
from pipeline.frames.clip import ClipRecorder
from pipeline.plates.search import PlateSearch
from pipeline.riders.search import RiderSearch
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.scene import Rule

RED_LIGHT = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat"}
STOP_LINE = {"rule": "stop_line", "line": "henti", "entry": "simpang", "signal": "barat"}
SCALE = 0.5
SIZE = round(SCALE * WIDTH), round(SCALE * 1000)
FINGERPRINT = Digest("a" * 64)
Path = dict[int, float]
"""Position of the vehicle's front in metres, by frame number; in other frames the vehicle is not in the picture."""


class ColourDetector:
    """Every red rectangle is a car, or a vehicle of that class."""

    name = "colour"
    digest = Digest(sha256(b"colour").hexdigest())

    def __init__(self, vehicle: VehicleClass = VehicleClass.CAR) -> None:
        self.images_seen = 0
        self._vehicle = vehicle

    def detect(self, images: Sequence[np.ndarray]) -> Sequence[tuple[Detection, ...]]:
        self.images_seen += len(images)
        return [self._detect(image) for image in images]

    def detect_part(self, image: np.ndarray, part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        self.images_seen += 1
        x1, y1, x2, y2 = (round(edge) for edge in part)
        return tuple(moved(detection, x1, y1) for detection in self._detect(image[y1:y2, x1:x2]))

    def _detect(self, image: np.ndarray) -> tuple[Detection, ...]:
        red = ((image[:, :, 2] > 150) & (image[:, :, 1] < 100)).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes = [Box(x, y, x + w, y + h) for x, y, w, h, area in stats[1:count].tolist() if area > 50]
        return tuple(Detection(box=box, vehicle=self._vehicle, score=0.9) for box in sorted(boxes))


class LowerMiddlePlateDetector:
    """Every vehicle's crop has a plate in its lower middle."""

    name = "lower-middle"
    digest = Digest(sha256(b"lower-middle").hexdigest())

    def detect_crops(self, images: Sequence[np.ndarray]) -> Sequence[tuple[PlateBox, ...]]:
        return [self._detect(image.shape[1], image.shape[0]) for image in images]

    def detect_frames(self, images: Sequence[np.ndarray]) -> Sequence[tuple[PlateBox, ...]]:
        return self.detect_crops(images)

    def _detect(self, width: int, height: int) -> tuple[PlateBox, ...]:
        return (PlateBox(box=Box(0.39 * width, 0.7 * height, 0.61 * width, 0.8 * height), score=0.9),)


class EmptyReader:
    """Reads no text in any crop."""

    name = "empty"
    digest = Digest(sha256(b"empty").hexdigest())

    def read(self, crops: Sequence[np.ndarray]) -> Sequence[PlateRead]:
        return [PlateRead(reader=self.name, text="", characters=()) for _ in crops]


class AlwaysRed:
    name = "always-red"
    digest = Digest(sha256(b"always-red").hexdigest())

    def read(self, image: np.ndarray, head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        return Lamp.RED, 1.0

    def locate(self, image: np.ndarray, head: Box, order: Sequence[Lamp]) -> LocatedHead:
        return LocatedHead(lamp=Lamp.RED, score=1.0, box=head)


def picture(paths: Sequence[Path], number: int) -> bytes:
    """JPEG with cars of 8 x 6 m side by side in the lane."""
    image = np.full((*reversed(SIZE), 3), 90, np.uint8)
    for column, path in enumerate(paths):
        if number in path:
            front, x = round(path[number] * 10 * SCALE), 75 + 55 * column
            cv2.rectangle(image, (x, front - 30), (x + 40, front - 1), (40, 40, 220), -1)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def frames(paths: Sequence[Path], count: int, fps: float = 10.0) -> list[Frame]:
    return [frame(picture(paths, number), number, number / fps) for number in range(count)]


def frame(jpeg: bytes, number: int, seconds: float, size: tuple[int, int] = SIZE) -> Frame:
    return Frame(
        camera=CameraId("cam-1"),
        sequence=number,
        captured_at=second(seconds),
        received_at=BEGIN,
        clock_error_s=None,
        width=size[0],
        height=size[1],
        sha256=digest_of(jpeg),
        jpeg=jpeg,
    )


def driving(begin: int, end: int, start: float, stop: float) -> Path:
    return {number: start + (stop - start) * (number - begin) / (end - begin) for number in range(begin, end)}


def site(*rules: dict[str, object]) -> config.Site:
    return config.Site(
        site="tes",
        cameras=(camera(*rules, scale=SCALE),),
        evidence=config.EvidenceSettings(keep_s=5.0, before_s=2.0, after_s=1.5, clip_width=320),
    )


def stage(
    watched: config.Site,
    state: StageState | None = None,
    detector: ColourDetector | None = None,
    *,
    rules: Sequence[Rule] | None = None,
    lamps: LampReader | None = None,
    reader: PlateReader | None = None,
    plates: PlateSearch | None = None,
    riders: RiderSearch | None = None,
    attributes: AttributeSearch | None = None,
) -> CameraStage:
    """Rules: those of the site file by default."""
    camera = watched.cameras[0]
    provenance = Provenance(code_version="1", models=(), config_digest=watched.digest, run="r")
    plates = plates or PlateSearch(LowerMiddlePlateDetector(), (reader or EmptyReader(),), 3)
    evidence = EvidenceBuilder(
        watched, camera, shipped_law(), plates, ClipRecorder(3.5, watched.evidence.clip_width), provenance, AlwaysRed(), riders, attributes
    )
    rules = build_rules(camera, calibrate(camera)) if rules is None else rules
    state = state or StageState(fingerprint=FINGERPRINT, run="r")
    return CameraStage(camera, watched.detect, detector or ColourDetector(), lamps or AlwaysRed(), rules, evidence, state)


def process_all(made: CameraStage, given: Sequence[Frame]) -> list[Violation]:
    """All violations that the stage finds in these frames, up to the end of the source."""
    found = [message.violation for each in given for message in made.process(each)]
    return found + [message.violation for message in made.finish()]


def files_of(made: CameraStage, given: Sequence[Frame]) -> Iterator[EvidenceFile]:
    for each in given:
        for message in made.process(each):
            yield from message.files
