"""Crops of one plate in one frame, and what the readers read on them.

A detected box is never exact, and a second crop with another margin can show a character that the first one cut off. Crops of the same
frame share its pixels and are not independent, so a second crop is read only where the readers disagree, and the vote limits the total
weight of each reader.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector, PlateReader
from etle.types import Box, Certainty, Plate, PlateBox, PlateSighting, Point
from models.plates.readers.lines import shipped_line_detector
from models.plates.readers.sharpness import contrast, sharpness
from models.plates.readers.upright import PlateCrop, crop_upright, surround

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin on each side of a box as a fraction of the box's width (`x`) and height (`y`). Negative values cut the box."""

    x: float
    y: float


WIDE_MARGIN = Margin(0.12, 0.14)
"""For the first crop: plate boxes cut characters off more often than the line detector fails on a wide crop."""
_UPRIGHT_TIGHT_MARGIN = Margin(-0.07, -0.1)
"""For the second crop of a plate that was cropped again upright, relative to that crop, which is wider."""
TIGHT_MARGIN = Margin(-0.015, -0.03)
"""For the second crop, where the readers disagree on the first. Of 226 plates in dark photos 190 are read right with it and 186 without,
of 447 crops 441 and 439; further crops (wider, rotated, exactly the box) gain 0 to 2 more."""
INNER_AREA = Margin(-0.06, -0.06)
"""Area in which the corners of the number are located once more for the third crop of an unclear plate: in the wide area of a turned plate
there are edges of the fairing, too, which the line detector may take for the plate's. -0.12 gains less."""
_UNCLEAR_BELOW = 0.7
"""Probability below which a third crop is read. Of 1,873 labelled boxes and crops 4 more are then read right, and one fewer has a wrong
text; third crops of clearer plates correct no more, and with 0.9 one of them becomes certain and wrong."""
_SURELY_A_PLATE = 0.9
"""Score of a detection that is worth a third crop, though nothing was read in the first two."""
_MIN_CONTRAST = 16.0
"""Grey levels between characters and background; below it nobody can see where a number ends."""
_BORDER_PX = 2.0
"""A plate box nearer to the left or right border of the picture may be cut by it."""


@dataclass(frozen=True, slots=True)
class PlateInFrame:
    """A detected plate with the frame that shows it. `image`: height x width x 3, uint8, BGR, full size; `plate` in its pixels."""

    image: "Image"
    plate: PlateBox
    sequence: int
    captured_at: datetime

    def read_with(self, readers: Sequence[PlateReader], margin: Margin = WIDE_MARGIN, area: Margin = WIDE_MARGIN) -> list[PlateSighting]:
        """One sighting for each reader. `area`: margin of the area in which the corners of the number are located."""
        upright = crop_upright(self.image, expand(self.image, self.plate.box, area), shipped_line_detector())
        image = self._with_margin(upright, margin)
        crop_sharpness, crop_contrast = sharpness(image), contrast(image)
        return [
            PlateSighting(
                sequence=self.sequence,
                captured_at=self.captured_at,
                plate=self.plate,
                sharpness=crop_sharpness,
                contrast=crop_contrast,
                whole=upright.whole and not self._touches_border(),
                read=read,
            )
            for reader in readers
            for read in reader.read([image])
        ]

    def _touches_border(self) -> bool:
        """Whether the picture may end within the plate; not for a picture that is a crop of the plate."""
        box, width = self.plate.box, int(self.image.shape[1])
        cut = box.x1 < _BORDER_PX or box.x2 > width - _BORDER_PX
        return cut and box.width < width - 2 * _BORDER_PX

    def _with_margin(self, upright: PlateCrop, margin: Margin) -> "Image":
        if margin is WIDE_MARGIN:
            return upright.image
        if not upright.recropped:
            return crop(self.image, self.plate.box, margin)
        height, width = upright.image.shape[:2]
        return crop(upright.image, Box(0, 0, width, height), _UPRIGHT_TIGHT_MARGIN)


def extend_to_rim(image: "Image", plate: PlateBox) -> PlateBox:
    """The plate with a box that contains the whole number: detected boxes of turned and distant plates often cut a part of it."""
    upright = crop_upright(image, expand(image, plate.box, WIDE_MARGIN), shipped_line_detector())
    if upright.number is None or not upright.recropped or contrast(upright.image) < _MIN_CONTRAST:
        return plate
    height, width = image.shape[:2]
    x1, y1, x2, y2 = surround(plate.box, upright.number)
    return replace(plate, box=Box(max(0, x1), max(0, y1), min(width, x2), min(height, y2)))


def detect_in_area(detector: PlateDetector, image: "Image", area: Box) -> tuple[PlateBox, ...]:
    """Plates in `area` of the image, in pixels of the whole image."""
    part = image[int(area.y1) : int(area.y2), int(area.x1) : int(area.x2)]
    return tuple(translate_plate(plate, area) for plate in detector.detect_crops([part])[0])


def agree(sightings: Sequence[PlateSighting]) -> bool:
    """Whether all reads have the same text, and it is not empty."""
    texts = {sighting.read.text for sighting in sightings}
    return len(texts) == 1 and texts != {""}


def is_unclear(plate: Plate) -> bool:
    """Whether a third crop of the plate is worth its time. Boards and lamps that were detected as plates seldom give any text, and have
    low scores; a turned plate gives none where an edge of the fairing is taken for its own."""
    is_plate = any(sighting.read.text or sighting.plate.score >= _SURELY_A_PLATE for sighting in plate.sightings)
    return is_plate and plate.certainty is not Certainty.CERTAIN and plate.probability < _UNCLEAR_BELOW


def disagree(sightings: Sequence[PlateSighting]) -> bool:
    """Whether the most frequent texts of two readers differ."""
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for sighting in sightings:
        texts[sighting.read.reader][sighting.read.text] += 1
    return len({counts.most_common(1)[0][0] for counts in texts.values()}) > 1


def crop(image: "Image", box: Box, margin: Margin) -> "Image":
    """The part of the image in `box` plus `margin`; a view, not a copy."""
    area = expand(image, box, margin)
    part: Image = image[int(area.y1) : int(area.y2), int(area.x1) : int(area.x2)]
    return part


def expand(image: "Image", box: Box, margin: Margin) -> Box:
    """`box` plus `margin`, in whole pixels, clipped to the image."""
    x, y = margin.x * box.width, margin.y * box.height
    return Box(
        max(0, math.floor(box.x1 - x)),
        max(0, math.floor(box.y1 - y)),
        min(image.shape[1], math.ceil(box.x2 + x)),
        min(image.shape[0], math.ceil(box.y2 + y)),
    )


def translate_plate(plate: PlateBox, area: Box) -> PlateBox:
    """From pixels of `area` to pixels of the image that contains it."""
    x, y = area.x1, area.y1
    box = Box(plate.box.x1 + x, plate.box.y1 + y, plate.box.x2 + x, plate.box.y2 + y)
    if plate.corners is None:
        return PlateBox(box=box, score=plate.score)
    a, b, c, d = (Point(corner.x + x, corner.y + y) for corner in plate.corners)
    return PlateBox(box=box, score=plate.score, corners=(a, b, c, d))
