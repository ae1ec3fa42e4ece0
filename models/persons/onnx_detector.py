"""Detects persons with YOLOv8 in onnxruntime, in crops around motorcycles at full resolution."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.errors import WeightsError
from etle.geometry import intersection_area
from etle.types import Box, PersonBox
from models.runtime.yolov8 import RawDetection, Yolo, nms, shape_for

if TYPE_CHECKING:
    from etle.types import Image

INPUT_SIDE_PX: Final = 320
"""Longer side of the input. At 416 hardly more riders are found in crops of one motorcycle; it takes 1.6 times as long."""
MIN_SCORE: Final = 0.2
_NMS_IOU: Final = 0.65
_NESTED_FRACTION: Final = 0.85
"""A box of which so much lies inside another's is the same person if its head is there, too."""
_SAME_HEAD: Final = (0.3, 0.2)
"""Maximum distance of the upper edges' middles, as fractions of the smaller width and height."""
_PERSON: Final = "person"


class OnnxPersonDetector:
    """Returns persons with scores from 0.2. Not thread-safe."""

    def __init__(self, path: Path, *, threads: int = 1, name: str = "yolov8n-persons", input_side_px: int = INPUT_SIDE_PX) -> None:
        """`path`: a YOLOv8 export with a class `person`. Raises WeightsMissing, WeightsError, MissingExtra."""
        self._yolo = Yolo(path, name, threads=threads)
        self._class_ids = tuple(class_id for class_id, known in self._yolo.names.items() if known == _PERSON)
        if not self._class_ids:
            raise WeightsError(f"{path} knows no class {_PERSON!r}; it knows: {', '.join(self._yolo.names.values())}")
        self._input_side_px = input_side_px
        self.name = name
        self.digest = self._yolo.digest

    def detect_persons(self, images: "Sequence[Image]") -> Sequence[tuple[PersonBox, ...]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: "Image") -> tuple[PersonBox, ...]:
        raw = self._yolo.predict(image, shape_for(image, self._input_side_px), min_score=MIN_SCORE, class_ids=self._class_ids)
        return distinct_persons(raw)


def distinct_persons(raw: Sequence[RawDetection]) -> tuple[PersonBox, ...]:
    """Each person once, highest score first. Of two boxes, one the upper part of the other, the better one stays."""
    kept: list[PersonBox] = []
    for found in nms(raw, _NMS_IOU):
        if not any(_is_same_person(found.box, better.box) for better in kept):
            kept.append(PersonBox(box=found.box, score=found.score))
    return tuple(kept)


def _is_same_person(one: Box, better: Box) -> bool:
    if intersection_area(one, better) < _NESTED_FRACTION * min(one.area, better.area):
        return False
    across, along = _SAME_HEAD
    return abs(one.centre.x - better.centre.x) < across * min(one.width, better.width) and abs(one.y1 - better.y1) < along * min(
        one.height, better.height
    )
