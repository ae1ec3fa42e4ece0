"""Renders motorcycles with riders on a transparent background, from all sides, with the boxes of their heads and what they wear.

`python -m simulator.rider_sprites --out models/data/riders.zip` writes the sprites from which a part of the training windows of the head
network are composed (models/synthetic/heads). The archive contains WebP pictures with an alpha channel, riders.json and the attribution.
"""

import argparse
import json
import math
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.camera import Array
from simulator.fleet import SCOOTER_TINTS, PlacedRider, VehicleAppearance
from simulator.gpu import put, write
from simulator.meshes import ATTRIBUTION, cached_meshes
from simulator.sprites import SpriteStudio, SpriteView

SIDE_PX = 448
WEBP_QUALITY = 72
HELMET_SHARE = 0.5
_SEATED = (0.0, 0.0, 0.55)
"""Added to the middle of the motorcycle, in metres: that of the motorcycle with its riders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedRiderHead:
    """`box`: left, top, right, bottom in pixels of the sprite; `shown`: visible share of the head."""

    box: tuple[float, float, float, float]
    helmet: bool
    shown: float


class RiderStudio(SpriteStudio):
    """Renders one motorcycle with its riders at a time."""

    def __init__(self, meshes: Path) -> None:
        super().__init__(meshes, SIDE_PX)
        ctx, size = self.gpu.ctx, (SIDE_PX, SIDE_PX)
        self._ids = ctx.framebuffer([ctx.renderbuffer(size, 1, dtype="i4")], ctx.depth_renderbuffer(size))

    def render_riders(self, view: SpriteView, rng: random.Random) -> tuple[NDArray[np.uint8], list[RenderedRiderHead]]:
        """BGRA (uint8), cropped to the visible pixels, and the heads in it, the driver's first."""
        look = self.appearance(view, rng, HELMET_SHARE)
        middle = np.array([-0.95, 0.0, look.body.high[2] * 0.45]) + _SEATED
        matrix = self.set_camera(view, look, middle)
        image = self.drawn(view, look, middle)
        heads = [self._head(look, rider, matrix) for rider in look.riders]
        rows, columns = np.nonzero(image[..., 3])
        top, left = int(rows.min()), int(columns.min())
        cropped = image[top : rows.max() + 1, left : columns.max() + 1]
        return cropped, [_moved(head, left, top) for head in heads]

    def _head(self, look: VehicleAppearance, rider: PlacedRider, matrix: Array) -> RenderedRiderHead:
        pixels = self.pixels(rider.head, matrix)
        (x1, y1), (x2, y2) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
        part = slice(max(0, math.floor(y1)), math.ceil(y2)), slice(max(0, math.floor(x1)), math.ceil(x2))
        with_all, alone = (int((self._id_picture(look, matrix, rider, others=others)[part] == 1).sum()) for others in (True, False))
        return RenderedRiderHead(box=(x1, y1, x2, y2), helmet=rider.helmet, shown=with_all / max(1, alone))

    def _id_picture(self, look: VehicleAppearance, matrix: Array, rider: PlacedRider, *, others: bool) -> NDArray[np.int32]:
        """1 where the rider is visible, among the others or alone."""
        self._ids.use()
        self._ids.clear(depth=1.0)
        write(self.gpu.identity, "view", matrix)
        for number, (mesh, place, _) in enumerate(look.parts):
            own = rider.first_part <= number < rider.end_part
            if own or others:
                put(self.gpu.identity, id=int(own))
                write(self.gpu.identity, "model", place)
                mesh.identity.render()
        raw = np.frombuffer(self._ids.read(components=1, dtype="i4"), np.int32)
        return raw.reshape(SIDE_PX, SIDE_PX)[::-1]


def _moved(head: RenderedRiderHead, left: int, top: int) -> RenderedRiderHead:
    x1, y1, x2, y2 = head.box
    return RenderedRiderHead(box=(x1 - left, y1 - top, x2 - left, y2 - top), helmet=head.helmet, shown=head.shown)


def rider_views(count: int, seed: int) -> list[SpriteView]:
    rng = random.Random(seed)
    return [_view(rng) for _ in range(count)]


def _view(rng: random.Random) -> SpriteView:
    tint = rng.choice(SCOOTER_TINTS)
    return SpriteView(
        body="scooter",
        side=rng.choice(["rear", "rear", "front"]),
        yaw=rng.uniform(-1.6, 1.6),
        height_m=rng.choice([rng.uniform(1.2, 2.5), rng.uniform(2.0, 6.0)]),
        distance_m=rng.uniform(4.0, 14.0),
        tint=(tint[0] * rng.uniform(0.5, 1.1), tint[1] * rng.uniform(0.5, 1.1), tint[2] * rng.uniform(0.5, 1.1)),
        riders=rng.choice([1, 2, 3, 3]),
        sun=(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.3, 1.2)),
        holder=True,
        plate_share=None,
    )


def write_rider_sprites(out: Path, meshes: Path, count: int, seed: int) -> int:
    """Returns the number of heads."""
    studio, rng = RiderStudio(meshes), random.Random(seed)
    entries: list[dict[str, object]] = []
    heads = 0
    with zipfile.ZipFile(out, "w") as archive:
        for number, view in enumerate(rider_views(count, seed)):
            image, seen = studio.render_riders(view, rng)
            name = f"{number:04d}.webp"
            rows = [{"box": [round(edge, 1) for edge in head.box], "helmet": head.helmet, "shown": round(head.shown, 2)} for head in seen]
            entries.append({"file": name, "heads": rows})
            heads += len(seen)
            archive.writestr(name, cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1].tobytes())
        archive.writestr("riders.json", json.dumps(entries))
        archive.writestr("ATTRIBUTION", ATTRIBUTION.replace("clips", "pictures"))
    return heads


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulator.rider_sprites", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=480)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--meshes", type=Path, help="folder of the 3D models (default: the cache)")
    args = parser.parse_args()
    print(write_rider_sprites(args.out, args.meshes or cached_meshes(), args.count, args.seed), "heads in", args.out)


if __name__ == "__main__":
    main()
