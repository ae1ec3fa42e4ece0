"""Sprites of vehicles rendered by the simulator (simulator/sprites.py): front and rear, whole and close-up."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import WeightsError
from models.synthetic.scenes.textures import Rng, chance
from models.synthetic.scenes.values import Colour, Light, Quad, SceneVehicle

if TYPE_CHECKING:
    from etle.types import Image

ARCHIVE = Path(__file__).parents[2] / "data" / "portraits.zip"
_RED: Colour = (40, 30, 255)
_WHITE: Colour = (255, 245, 225)
_AMBER: Colour = (40, 150, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleSprite:
    packed: bytes
    """A WebP image with an alpha channel."""
    quad: Quad
    """Corners of the plate."""
    rear: bool
    motorcycle: bool
    close: bool
    """A close-up around the plate; the borders of the image cut the vehicle."""


def read_sprites(path: Path = ARCHIVE) -> tuple[VehicleSprite, ...]:
    """Raises WeightsError if the archive is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = json.loads(archive.read("portraits.json"))
            return tuple(_sprite(archive.read(entry["file"]), entry) for entry in entries)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not an archive of rendered vehicles ({error!r}). It is part of etle; reinstall it") from error


def _sprite(packed: bytes, entry: "dict[str, object]") -> VehicleSprite:
    return VehicleSprite(
        packed=packed,
        quad=np.array(entry["quad"], np.float32),
        rear=entry["side"] == "rear",
        motorcycle=entry["body"] == "scooter",
        close=bool(entry["close"]),
    )


def vehicle_from_sprite(rng: Rng, sprite: VehicleSprite) -> SceneVehicle:
    """The sprite in a random colour, with lamps that may be lit."""
    decoded = cv2.imdecode(np.frombuffer(sprite.packed, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise WeightsError("An image in the archive of rendered vehicles is damaged. It is part of etle; reinstall it")
    image, mask = decoded[..., :3], decoded[..., 3]
    return SceneVehicle(
        image=_repainted(rng, image),
        mask=mask,
        plate=sprite.quad,
        lights=tuple(_lights(rng, sprite, mask.shape[1])),
        motorcycle=sprite.motorcycle,
    )


def _repainted(rng: Rng, image: "Image") -> "Image":
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.integers(180)) % 180 if chance(rng, 0.5) else hsv[..., 0]
    hsv[..., 1] *= rng.choice([rng.uniform(0, 0.3), rng.uniform(0.6, 1.6)])
    value = 255 * (hsv[..., 2] / 255) ** np.exp(rng.normal(0, 0.4)) * rng.uniform(0.5, 1.25)
    hsv[..., 2] = 255 - value if chance(rng, 0.05) else value
    painted: Image = cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR)
    return painted


def _lights(rng: Rng, sprite: VehicleSprite, width: int) -> list[Light]:
    """Lamps at typical positions relative to the plate."""
    middle, wide = sprite.quad.mean(axis=0), float(np.linalg.norm(sprite.quad[1] - sprite.quad[0]))
    colour = _RED if sprite.rear else _WHITE
    power = rng.choice([0.0, rng.uniform(0.3, 1.0), rng.uniform(1.0, 3.0)])
    if sprite.motorcycle:
        at = [(rng.normal(0, 0.1), -rng.uniform(0.6, 1.2))]
        if chance(rng, 0.2):
            return [_light(middle, wide, (side * rng.uniform(0.5, 0.9), -0.7), _AMBER, power, rng) for side in (-1, 1)]
    else:
        out, up = rng.uniform(1.3, 1.9), -rng.uniform(0.2, 1.0)
        at = [(-out, up), (out, up)]
        if sprite.rear and chance(rng, 0.3):
            at.append((0.0, -rng.uniform(2.0, 2.8)))
    return [_light(middle, wide, place, colour, power, rng) for place in at if power > 0 and 0 < middle[0] + place[0] * wide < width]


def _light(middle: Quad, wide: float, place: tuple[float, float], colour: Colour, power: float, rng: Rng) -> Light:
    x, y = (float(middle[i]) + place[i] * wide for i in (0, 1))
    return Light(x=x, y=y, radius=wide * rng.uniform(0.1, 0.3), colour=colour, power=float(power))
