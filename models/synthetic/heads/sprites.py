"""Sprites of motorcycles with riders, rendered by the simulator (simulator/rider_sprites.py), with the boxes of their heads."""

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.errors import WeightsError
from etle.types import Box
from models.synthetic.heads.values import Light

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHIVE: Final = Path(__file__).parents[2] / "data" / "riders.zip"
GAMMA: Final = 2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpriteHead:
    box: Box
    """In pixels of the sprite."""
    helmet: bool
    shown: float
    """Visible share, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderSprite:
    packed: bytes
    """A WebP image with an alpha channel."""
    heads: tuple[SpriteHead, ...]

    def decoded(self) -> "tuple[Light, NDArray[np.float32]]":
        """Linear light, and where the motorcycle and its riders are (height x width, 0 to 1)."""
        image = cv2.imdecode(np.frombuffer(self.packed, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise WeightsError("An image in the archive of rendered riders is damaged. It is part of etle; reinstall it")
        scaled = image.astype(np.float32) / np.float32(255)
        return np.power(scaled[..., :3], np.float32(GAMMA)), scaled[..., 3]


@cache
def rider_sprites(path: Path = ARCHIVE) -> tuple[RiderSprite, ...]:
    """Raises WeightsError if the archive is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = json.loads(archive.read("riders.json"))
            return tuple(RiderSprite(packed=archive.read(entry["file"]), heads=tuple(map(_head, entry["heads"]))) for entry in entries)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not an archive of rendered riders ({error!r}). It is part of etle; reinstall it") from error


def _head(row: "dict[str, object]") -> SpriteHead:
    edges, shown = row["box"], row["shown"]
    assert isinstance(edges, list) and isinstance(shown, float | int)
    return SpriteHead(box=Box(*edges), helmet=bool(row["helmet"]), shown=float(shown))
