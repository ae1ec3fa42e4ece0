"""Renders single vehicles on a transparent background, from many sides and in many colours, with the corners of the plate position.

`python -m simulator.sprites --out models/data/portraits.zip` writes the sprites from which the training pictures of the plate detector are
composed (models/synthetic/scenes). The archive contains WebP pictures with an alpha channel, portraits.json and the attribution.
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

from simulator import bodies
from simulator.camera import Array, look_at, perspective
from simulator.demand import PlannedVehicle
from simulator.fleet import CAR_TINTS, SCOOTER_TINTS, Fleet, VehicleAppearance
from simulator.gpu import GpuContext, Tint, put, write
from simulator.meshes import ATTRIBUTION, cached_meshes
from simulator.plates import draw_registration

SIDE_PX = 576
SHADOW_PX = 1024
MARGIN = 1.08
SHARES = {"hatchback": 4, "minivan": 4, "suv": 4, "box_truck": 2, "city_bus": 1, "coach": 1, "scooter": 14}
WEBP_QUALITY = 82
CLOSE_SHARE = 0.4  # share of close views
HELMET_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class SpriteView:
    body: str
    side: str
    yaw: float
    """Angle between the vehicle's axis and the camera, in radians."""
    height_m: float
    distance_m: float
    tint: Tint
    riders: int
    sun: tuple[float, float, float]
    holder: bool
    plate_share: float | None
    """In a close view, the share of the picture's width that the plate fills; None: the whole vehicle."""


def views(count: int, seed: int) -> list[SpriteView]:
    rng = random.Random(seed)
    names, shares = list(SHARES), list(SHARES.values())
    return [_view(rng, rng.choices(names, shares)[0]) for _ in range(count)]


def _view(rng: random.Random, body: str) -> SpriteView:
    scooter = body == "scooter"
    long = bodies.MODELS[body].length_m or 4.0
    tint = rng.choice(SCOOTER_TINTS if scooter else CAR_TINTS)
    return SpriteView(
        body=body,
        side=rng.choice(["rear", "front"]),
        yaw=rng.gauss(0, 0.3),
        height_m=rng.choice([rng.uniform(0.7, 1.8), rng.uniform(1.5, 6.0)]),
        distance_m=rng.uniform(2.2, 9.0) + (0 if scooter else 0.4 * long),
        tint=(tint[0] * rng.uniform(0.7, 1.1), tint[1] * rng.uniform(0.7, 1.1), tint[2] * rng.uniform(0.7, 1.1)),
        riders=rng.choice([0, 0, 1, 2]) if scooter else 0,
        sun=(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.3, 1.2)),
        holder=rng.random() < 0.4,
        plate_share=rng.uniform(0.2, 0.5) if rng.random() < CLOSE_SHARE else None,
    )


class SpriteStudio:
    """Renders one vehicle at a time."""

    def __init__(self, meshes: Path, side_px: int = SIDE_PX) -> None:
        self.gpu = GpuContext()
        self.fleet = Fleet(self.gpu, meshes)
        self._side_px = side_px
        size, ctx = (side_px, side_px), self.gpu.ctx
        samples = min(4, ctx.max_samples)
        self._work = ctx.framebuffer([ctx.renderbuffer(size, 4, samples=samples)], ctx.depth_renderbuffer(size, samples=samples))
        self._flat = ctx.framebuffer([ctx.renderbuffer(size, 4)])
        self._shadow = ctx.depth_texture((SHADOW_PX, SHADOW_PX))
        self._shadow.compare_func, self._shadow.repeat_x, self._shadow.repeat_y = "<=", False, False
        self._sun = ctx.framebuffer(depth_attachment=self._shadow)

    def render(self, view: SpriteView, rng: random.Random) -> tuple[NDArray[np.uint8], Array]:
        """BGRA (uint8), cropped to the visible pixels, and the plate's corners (4 x 2) in it."""
        look = self.appearance(view, rng, HELMET_SHARE)
        plate = look.plates[view.side][1]
        middle = np.array([-(bodies.MODELS[view.body].length_m or 0) / 2, 0.0, look.body.high[2] * 0.45])
        if view.plate_share:
            middle = plate.mean(axis=0) + np.array([0.0, rng.gauss(0, 0.05), rng.gauss(0, 0.05)])
        matrix = self.set_camera(view, look, middle)
        return _cropped(self.drawn(view, look, middle), self.pixels(plate, matrix), view.plate_share is not None)

    def drawn(self, view: SpriteView, look: VehicleAppearance, middle: Array) -> NDArray[np.uint8]:
        """The whole picture (BGRA, uint8), seen by the camera that was set before."""
        self._set_light(view, middle, look)
        self._work.use()
        self._work.clear(0, 0, 0, 0, depth=1.0)
        self._shadow.use(1)
        self._shadow.use(2)
        for mesh, place, tint in look.parts:
            (mesh.texture or self.gpu.white).use(0)
            put(self.gpu.lit, use_tex=float(mesh.texture is not None), rough=mesh.rough, kind=mesh.kind, glow=mesh.glow, tint=tint)
            write(self.gpu.lit, "model", place)
            mesh.lit.render()
        self.gpu.ctx.copy_framebuffer(self._flat, self._work)
        raw = np.frombuffer(self._flat.read(components=4, alignment=1), np.uint8).reshape(self._side_px, self._side_px, 4)[::-1]
        bgra: NDArray[np.uint8] = raw[..., [2, 1, 0, 3]]
        return bgra

    def pixels(self, points: Array, matrix: Array) -> Array:
        """Of points of the vehicle (n x 3) in the picture of the camera with this matrix (n x 2)."""
        clip = np.c_[points, np.ones(len(points))] @ matrix.T
        seen = clip[:, :2] / clip[:, 3:4]
        pixels: Array = np.c_[(seen[:, 0] * 0.5 + 0.5) * self._side_px, (0.5 - seen[:, 1] * 0.5) * self._side_px]
        return pixels

    def appearance(self, view: SpriteView, rng: random.Random, helmets: float) -> VehicleAppearance:
        """`helmets`: share of the riders who wear one."""
        body, meshes = self.fleet.model(view.body)
        look = VehicleAppearance(body)
        look.parts.extend((mesh, np.eye(4), view.tint) for mesh in meshes)
        self.fleet.add_plates(look, _with_registration(view.body, rng))
        if not view.holder:
            del look.parts[len(meshes) :]
        for seat in range(view.riders):
            self.fleet.add_rider(look, rng, seat, rng.random() < helmets)
        return look

    def set_camera(self, view: SpriteView, look: VehicleAppearance, middle: Array) -> Array:
        """The view matrix with the field of view in which the vehicle fills the picture."""
        turn = view.yaw + (math.pi if view.side == "rear" else 0.0)
        distance_m = view.distance_m * (0.5 if view.plate_share else 1.0)
        eye = middle + distance_m * np.array([math.cos(turn), math.sin(turn), 0.0])
        eye[2] = view.height_m
        put(self.gpu.lit, eye=tuple(eye))
        corners = np.concatenate([mesh.corners @ place.T for mesh, place, _ in look.parts])[:, :3]
        seen = look_at(eye, middle)
        ahead = np.c_[corners, np.ones(len(corners))] @ seen.T
        wide = max(np.abs(ahead[:, :2] / np.maximum(-ahead[:, 2:3], 0.3)).max(), 0.05)
        if view.plate_share:
            quad = look.plates[view.side][1]
            wide = np.linalg.norm(quad[1] - quad[0]) / (2 * view.plate_share * np.linalg.norm(eye - middle))
        matrix: Array = perspective(2 * math.degrees(math.atan(wide * MARGIN)), 1.0, near=0.1) @ seen
        write(self.gpu.lit, "view", matrix)
        return matrix

    def _set_light(self, view: SpriteView, middle: Array, look: VehicleAppearance) -> None:
        sun = np.array(view.sun) / np.linalg.norm(view.sun)
        ortho = np.diag([1 / 8.0, 1 / 8.0, -1 / 30.0, 1.0])
        ortho[2, 3] = -1.0
        sunview = ortho @ look_at(middle + sun * 30, middle)
        write(self.gpu.lit, "sunview", sunview)
        write(self.gpu.depth, "view", sunview)
        put(self.gpu.lit, tex=0, still_shadow=1, moving_shadow=2, texel=1.0 / SHADOW_PX, sun=tuple(sun))
        put(self.gpu.lit, suncol=(2.2, 2.1, 1.95), ambient=(0.62, 0.66, 0.70))
        self._sun.use()
        self._sun.clear(depth=1.0)
        for mesh, place, _ in look.parts:
            write(self.gpu.depth, "model", place)
            mesh.depth.render()


def _with_registration(body: str, rng: random.Random) -> PlannedVehicle:
    """A vehicle with a registration, which the fleet needs to mount plates; the plates are not rendered."""
    kind = next(kind for kind, names in bodies.BODIES.items() if body in names)
    return PlannedVehicle(id=body, kind=kind, arm="", registration=draw_registration(rng, kind), riders=())


def _cropped(image: NDArray[np.uint8], quad: Array, close: bool) -> tuple[NDArray[np.uint8], Array]:
    if close:
        return image, quad
    rows, columns = np.nonzero(image[..., 3])
    top, left = rows.min(), columns.min()
    return image[top : rows.max() + 1, left : columns.max() + 1], quad - (left, top)


def _entry(name: str, view: SpriteView, image: NDArray[np.uint8], quad: Array) -> dict[str, object] | None:
    """The row of portraits.json; None if the plate is cut off or seen at too small an angle."""
    height, width = image.shape[:2]
    inside = (quad >= 0).all() and (quad < (width, height)).all()
    wide, high = np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[3] - quad[0])
    if not inside or wide < 1.5 * high:
        return None
    return {"file": name, "body": view.body, "side": view.side, "close": view.plate_share is not None, "quad": np.round(quad, 1).tolist()}


def write_sprites(out: Path, meshes: Path, count: int, seed: int) -> int:
    """Returns the number of sprites written."""
    studio, rng, entries = SpriteStudio(meshes), random.Random(seed), []
    with zipfile.ZipFile(out, "w") as archive:
        for number, view in enumerate(views(count, seed)):
            image, quad = studio.render(view, rng)
            if entry := _entry(f"{number:03d}.webp", view, image, quad):
                entries.append(entry)
                packed = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1]
                archive.writestr(str(entry["file"]), packed.tobytes())
        archive.writestr("portraits.json", json.dumps(entries))
        archive.writestr("ATTRIBUTION", ATTRIBUTION.replace("clips", "pictures"))
    return len(entries)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulator.sprites", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=480)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--meshes", type=Path, help="folder of the 3D models (default: the cache)")
    args = parser.parse_args()
    print(write_sprites(args.out, args.meshes or cached_meshes(), args.count, args.seed), "sprites in", args.out)


if __name__ == "__main__":
    main()
