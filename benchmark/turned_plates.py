"""Reads plates that are turned as on the fairing of a motorcycle, in boxes as loose as a detector draws them.

    python -m benchmark.turned_plates CROPS.csv DIR [--count 300] [--leave-out FILE] [--seed 1] [--json FILE]

Crops of plates (columns `file` and `plate_text`) are scaled down, turned by 20 to 40 degrees to either side, put on the photos of DIR
(layout of `etle evaluate plates`) where no plate is labelled, and read in an upright box around them that is up to a fifth wider and
higher. The same crops are read level, too, at the same size and on the same photos: what is lost by turning is the difference.
`--leave-out` names crops with a wrong label, one a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark.plate_confidence import LabelledPicture, further_crops
from benchmark.report import parser, save, show
from etle.config.site import DetectionSettings
from etle.errors import ConfigError
from etle.geometry import intersection_area
from etle.types import Box, Certainty, Plate
from pipeline.assembly import open_engines
from pipeline.evaluation.dataset import PHOTOS, LabelledPhoto, load_dataset
from pipeline.evaluation.pictures import load
from pipeline.plates.photo import read_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_WIDTHS_PX = (70.0, 160.0)
_TURNED_DEG = (20.0, 40.0)
_LOOSE = 0.2
"""How much wider and higher than the plate its box is at most."""
_SCENE_PX, _TRIES = 640, 50
_FEATHER_PX = 1.5
"""Width over which the plate's edge goes over into the photo: a sharp one would be found by itself."""


@dataclass(frozen=True, slots=True)
class CompositePhoto:
    """A photo with the crop of a plate composited onto it."""

    image: "Image"
    plate_box: Box
    """A loose box of the plate, in pixels of the image."""


def composite(crop: "Image", photo: LabelledPhoto, width: float, turned_deg: float, random: np.random.Generator) -> CompositePhoto:
    """The crop, `width` pixels wide and turned counter-clockwise, at a random place of the photo."""
    image = load(photo.path)
    scene = cv2.resize(image, (_SCENE_PX, _SCENE_PX), interpolation=cv2.INTER_AREA)
    x, y = _SCENE_PX / image.shape[1], _SCENE_PX / image.shape[0]
    labelled = [Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y) for plate in photo.plates if (box := plate.box)]
    scale = width / crop.shape[1]
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height = small.shape[0]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), turned_deg, 1.0)
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle = _free_place(labelled, high - low, random)
    turn[:, 2] += middle - (low + high) / 2
    warped = cv2.warpAffine(small, turn, (_SCENE_PX, _SCENE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(small.shape[:2], np.float32), turn, (_SCENE_PX, _SCENE_PX), flags=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(inside, (0, 0), _FEATHER_PX / 2)[..., None]
    mixed: Image = (warped * alpha + scene * (1 - alpha)).round().astype(np.uint8)
    left, right, upper, lower = random.uniform(0, _LOOSE / 2, 4)
    (wide, tall), (x1, y1) = high - low, middle - (high - low) / 2
    return CompositePhoto(mixed, Box(x1 - left * wide, y1 - upper * tall, x1 + (1 + right) * wide, y1 + (1 + lower) * tall))


def _free_place(labelled: Sequence[Box], size: "NDArray[np.float64]", random: np.random.Generator) -> "NDArray[np.float64]":
    """The middle of a place of this size, with as much room around it, where no plate is labelled; of a full photo the last one tried."""
    for _ in range(_TRIES):
        middle = random.uniform(size, _SCENE_PX - size)
        if not any(intersection_area(Box(*(middle - size), *(middle + size)), box) for box in labelled):
            break
    return middle


def main() -> None:
    arguments = parser("turned_plates", __doc__)
    arguments.add_argument("crops", type=Path, metavar="CROPS.csv")
    arguments.add_argument("folder", type=Path, metavar="DIR")
    arguments.add_argument("--count", type=int, default=300, metavar="N", help="crops, spread evenly (default: %(default)s)")
    arguments.add_argument("--leave-out", type=Path, metavar="FILE", help="file names of crops to leave out, one a line")
    args = arguments.parse_args()
    left_out = frozenset(args.leave_out.read_text(encoding="utf-8").split()) if args.leave_out else frozenset()
    pictures = further_crops(args.crops, left_out, args.count)
    photos = load_dataset(args.folder).photos
    if not pictures or not photos:
        raise ConfigError(f"{args.crops} names no crops, or {args.folder} has no {PHOTOS}")
    turned, level = _read(pictures, photos, np.random.default_rng(args.seed))
    figures = {name: _figures(pictures, plates) for name, plates in (("turned", turned), ("level", level))}
    rows = [{"plates": name, **each} for name, each in figures.items()]
    show(f"{len(pictures)} crops on photos, {_WIDTHS_PX[0]:.0f} to {_WIDTHS_PX[1]:.0f} pixels wide", rows)
    save(args.json, {**figures, "ratio": figures["turned"]["right"] / max(1, figures["level"]["right"])})


def _read(
    pictures: Sequence[LabelledPicture], photos: Sequence[LabelledPhoto], random: np.random.Generator
) -> "tuple[list[Plate], list[Plate]]":
    readers, at = open_engines(DetectionSettings()).readers, datetime.now(UTC)
    turned: list[Plate] = []
    level: list[Plate] = []
    for picture in pictures:
        crop, photo = load(picture.path), photos[int(random.integers(len(photos)))]
        width, angle = random.uniform(*_WIDTHS_PX), random.uniform(*_TURNED_DEG) * random.choice((-1, 1))
        for plates, turned_deg in ((turned, angle), (level, 0.0)):
            made = composite(crop, photo, width, turned_deg, random)
            plates.append(read_box(made.image, made.plate_box, readers, at))
    return turned, level


def _figures(pictures: Sequence[LabelledPicture], plates: list[Plate]) -> dict[str, int]:
    pairs = [(picture.plates[0][0], plate) for picture, plate in zip(pictures, plates, strict=True)]
    certain = [(text, plate) for text, plate in pairs if plate.certainty is Certainty.CERTAIN]
    return {
        "n": len(pairs),
        "right": sum(plate.text == text for text, plate in pairs),
        "certain": len(certain),
        "certain and wrong": sum(plate.text != text for text, plate in certain),
    }


if __name__ == "__main__":
    main()
