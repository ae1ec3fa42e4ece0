"""A contact sheet of rendered plates, which may be published, with the text that etle reads on them.

    python -m benchmark.plate_sheet --out docs/pictures/plates.jpg [--count 40] [--seed 1] [--json FILE]

Each picture has the true text, the text as read and its certainty (certain, check, unreadable); errors have a red border.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark.report import parser, save, show
from etle.config.site import DetectionSettings
from etle.types import Certainty, Plate
from models.synthetic.plates import capture_plate, render_plate
from pipeline.assembly import open_engines
from pipeline.plates.photo import read_crop

if TYPE_CHECKING:
    from etle.types import Image
    from models.synthetic.plates import CapturedPlate

_WIDTH, _HEIGHT, _CAPTION, _COLUMNS = 200, 84, 36, 8
_RED, _INK = (40, 40, 220), (30, 30, 30)


def main() -> None:
    arguments = parser("plate_sheet", __doc__)
    arguments.add_argument("--out", type=Path, required=True, metavar="FILE", help="a JPEG or PNG")
    arguments.add_argument("--count", type=int, default=40, metavar="N", help="default: %(default)s")
    args = arguments.parse_args()
    rng, readers, at = np.random.default_rng(args.seed), open_engines(DetectionSettings()).readers, datetime.now(UTC)
    drawn = [capture_plate(render_plate(rng), rng) for _ in range(args.count)]
    read = [read_crop(plate.image, readers, at) for plate in drawn]
    tiles = [_tile(plate, what) for plate, what in zip(drawn, read, strict=True)]
    cv2.imwrite(str(args.out), _sheet(tiles))
    figures = _figures(drawn, read)
    show(f"{args.count} rendered plates", [figures])
    save(args.json, figures)


def _figures(drawn: "list[CapturedPlate]", read: list[Plate]) -> dict[str, int]:
    pairs = list(zip(drawn, read, strict=True))
    certain = [(plate, what) for plate, what in pairs if what.certainty is Certainty.CERTAIN]
    return {
        "plates": len(pairs),
        "right": sum(plate.text == what.text for plate, what in pairs),
        "certain": len(certain),
        "certain and wrong": sum(plate.text != what.text for plate, what in certain),
        "colour right": sum(plate.colour == what.colour for plate, what in pairs),
        "expiries legible": sum(plate.expiry is not None for plate, _ in pairs),
        "of these right": sum(plate.expiry is not None and plate.expiry == what.expiry for plate, what in pairs),
    }


def _tile(plate: "CapturedPlate", what: Plate) -> "Image":
    picture = cv2.resize(plate.image, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    tile = cv2.copyMakeBorder(picture, 2, _CAPTION, 2, 2, cv2.BORDER_CONSTANT, value=(250, 250, 250))
    right = what.text == plate.text
    if not right:
        cv2.rectangle(tile, (0, 0), (tile.shape[1] - 1, _HEIGHT + 3), _RED, 2)
    for line, (text, ink) in enumerate(((plate.text, _INK), (f"{what.text or '-'}  {what.certainty}", _INK if right else _RED))):
        cv2.putText(tile, text, (6, _HEIGHT + 17 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, 1, cv2.LINE_AA)
    drawn: Image = tile.astype(np.uint8)
    return drawn


def _sheet(tiles: "list[Image]") -> "Image":
    blank = np.full_like(tiles[0], 250)
    tiles = tiles + [blank] * (-len(tiles) % _COLUMNS)
    return np.vstack([np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)])


if __name__ == "__main__":
    main()
