"""Drawn roads for the stage's tests: grey asphalt, red rectangles for vehicles, and a detector that really finds them by their colour."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import cv2
import numpy as np
from road import BEGIN, camera, second

from etle.config import site as config
from etle.types import (
    Box,
    CameraId,
    Detection,
    Digest,
    EvidenceFile,
    Frame,
    Lamp,
    PlateBox,
    PlateRead,
    Provenance,
    VehicleClass,
    Violation,
    digest_of,
)
from pipeline.assembly import shipped_law
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState
from pipeline.evidence.builder import EvidenceBuilder
from pipeline.frames.clip import ClipRecorder
from pipeline.plates.search import PlateSearch
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate

RED_LIGHT = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat"}
STOP_LINE = {"rule": "stop_line", "line": "henti", "entry": "simpang", "signal": "barat"}
MARK = Digest("a" * 64)
Way = dict[int, float]
"""Metre of the front by frame number; the vehicle is not in the picture in other frames."""


class ColourDetector:
    """Every red rectangle is a car."""

    name = "colour"
    digest = Digest(sha256(b"colour").hexdigest())

    def __init__(self) -> None:
        self.looked = 0

    def detect(self, images: Sequence[np.ndarray]) -> Sequence[tuple[Detection, ...]]:
        self.looked += len(images)
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> tuple[Detection, ...]:
        red = ((image[:, :, 2] > 150) & (image[:, :, 1] < 100)).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes = [Box(x, y, x + w, y + h) for x, y, w, h, area in stats[1:count].tolist() if area > 200]
        return tuple(Detection(box=box, vehicle=VehicleClass.CAR, score=0.9) for box in sorted(boxes))


class LowerMiddleFinder:
    """A plate sits in the lower middle of every vehicle's crop."""

    name = "lower-middle"
    digest = Digest(sha256(b"lower-middle").hexdigest())

    def find(self, images: Sequence[np.ndarray], *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        return [self._find(image.shape[1], image.shape[0]) for image in images]

    def _find(self, width: int, height: int) -> tuple[PlateBox, ...]:
        return (PlateBox(box=Box(0.39 * width, 0.7 * height, 0.61 * width, 0.8 * height), score=0.9),)


class SilentReader:
    """Looked, and there was nothing to read."""

    name = "silent"
    digest = Digest(sha256(b"silent").hexdigest())

    def read(self, crops: Sequence[np.ndarray]) -> Sequence[PlateRead]:
        return [PlateRead(reader=self.name, text="", characters=()) for _ in crops]


class AlwaysRed:
    def read(self, image: np.ndarray, head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        return Lamp.RED, 1.0


def picture(ways: Sequence[Way], number: int) -> bytes:
    """Cars of 80 x 60 px side by side in the lane, fronts where their ways say."""
    image = np.full((1000, 1000, 3), 90, np.uint8)
    for place, way in enumerate(ways):
        if number in way:
            front, x = round(way[number] * 10), 150 + 110 * place
            cv2.rectangle(image, (x, front - 60), (x + 80, front - 1), (40, 40, 220), -1)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def frames(ways: Sequence[Way], count: int, fps: float = 10.0) -> list[Frame]:
    return [frame(picture(ways, number), number, number / fps) for number in range(count)]


def frame(jpeg: bytes, number: int, seconds: float, size: tuple[int, int] = (1000, 1000)) -> Frame:
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


def driving(begin: int, end: int, start: float, stop: float) -> Way:
    return {number: start + (stop - start) * (number - begin) / (end - begin) for number in range(begin, end)}


def site(*rules: dict[str, object]) -> config.Site:
    return config.Site(
        site="tes", cameras=(camera(*rules),), evidence=config.EvidenceSettings(keep_s=5.0, before_s=2.0, after_s=1.5, clip_width=320)
    )


def stage(watched: config.Site, memory: StageState | None = None, detector: ColourDetector | None = None) -> CameraStage:
    watching = watched.cameras[0]
    provenance = Provenance(code_version="1", models=(), config_digest=watched.digest, run="r")
    search = PlateSearch(LowerMiddleFinder(), (SilentReader(),), 3)
    gathering = EvidenceBuilder(watched, watching, shipped_law(), search, ClipRecorder(3.5, watched.evidence.clip_width), provenance)
    rules = build_rules(watching, calibrate(watching))
    eyes = detector or ColourDetector()
    return CameraStage(watching, watched.detect, eyes, AlwaysRed(), rules, gathering, memory or StageState(made_by=MARK, run="r"))


def through(made: CameraStage, given: Sequence[Frame]) -> list[Violation]:
    """All that the stage finds in these frames, to the end."""
    found = [parcel.violation for each in given for parcel in made.process(each)]
    return found + [parcel.violation for parcel in made.finish()]


def files_of(made: CameraStage, given: Sequence[Frame]) -> Iterator[EvidenceFile]:
    for each in given:
        for parcel in made.process(each):
            yield from parcel.files
