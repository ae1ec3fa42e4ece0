"""Static objects: road, markings, pavements, houses, palms and signal heads."""

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from simulator import bodies
from simulator.camera import Array, rotation, translation
from simulator.gpu import Box, GpuContext, Mesh, boxes
from simulator.layout import ARM_M, BOX_M, HALF_M, LANE_M, LINE_X, POLE_XY, REPEATER_LAMP_M, REPEATER_Z, SHOULDER_M

EDGE_M = HALF_M + SHOULDER_M  # kerb of the exit side
TURNS = {"W": 0, "S": 1, "E": 2, "N": 3}  # quarter turns from the western arm
LAMP_COLOURS = {"red": (1.0, 0.006, 0.004), "yellow": (1.0, 0.42, 0.006), "green": (0.01, 0.9, 0.30)}
PITCH = 1.32  # distance between lamps, in diameters
MARGIN = 0.22  # of the housing around its lamps, in diameters


@dataclass(slots=True)
class RenderScene:
    """Static meshes with their poses (4 x 4); lamps by arm as (colour, lit mesh, unlit mesh, pose)."""

    still: list[tuple[Mesh, Array]] = field(default_factory=list)
    lamps: dict[str, list[tuple[str, Mesh, Mesh, Array]]] = field(default_factory=dict)


def housing(bottom_z: float, lamp_m: float) -> tuple[float, float, float]:
    """Half width, lower and upper z of a signal housing with three lamps, in metres."""
    return lamp_m * (0.5 + MARGIN), bottom_z, bottom_z + lamp_m * (1 + 2 * PITCH + 2 * MARGIN)


def lamp_z(bottom_z: float, lamp_m: float, index: int) -> float:
    """z of the centre of a lamp; index 0 is the lowest."""
    return bottom_z + lamp_m * (0.5 + MARGIN + index * PITCH)


def build(gpu: GpuContext, meshes: Path) -> RenderScene:
    scene = RenderScene()
    _roads(gpu, scene)
    _markings(gpu, scene)
    _houses(gpu, scene, random.Random(3))
    _palms(gpu, scene, meshes, random.Random(5))
    for arm in TURNS:
        _signals(gpu, scene, arm)
    return scene


def _add_to_all_arms(scene: RenderScene, mesh: Mesh) -> None:
    scene.still.extend((mesh, rotation(turn * math.pi / 2)) for turn in TURNS.values())


def _roads(gpu: GpuContext, scene: RenderScene) -> None:
    grass: list[Box] = [(-2 * ARM_M, -2 * ARM_M, -0.5, 2 * ARM_M, 2 * ARM_M, -0.16)]
    scene.still.append((gpu.mesh(*boxes(grass), colour=(0.10, 0.15, 0.05, 1), kind=2.0), np.eye(4)))
    middle: list[Box] = [(-BOX_M, -BOX_M, -0.3, BOX_M, BOX_M, -0.002)]
    asphalt = {"colour": (0.145, 0.145, 0.15, 1.0), "kind": 1.0}
    scene.still.append((gpu.mesh(*boxes(middle), **asphalt), np.eye(4)))  # type: ignore[arg-type]  # the two keys differ in type
    arm: list[Box] = [(-ARM_M * 1.3, -EDGE_M - 0.05, -0.3, -BOX_M, HALF_M + 0.35, 0.0)]
    _add_to_all_arms(scene, gpu.mesh(*boxes(arm), **asphalt))  # type: ignore[arg-type]
    kerb: list[Box] = []
    walk: list[Box] = []
    for low, high in ((HALF_M + 0.3, HALF_M + 5.0), (-EDGE_M - 4.7, -EDGE_M)):
        walk.append((-ARM_M, low, -0.3, -BOX_M, high, 0.15))
        y = low if low > 0 else high - 0.2
        length = 1.0
        for i in range(int((ARM_M - BOX_M) / length)):  # black and white kerb stones
            (kerb if i % 2 else walk).append((-BOX_M - (i + 1) * length, y, -0.3, -BOX_M - i * length, y + 0.2, 0.19))
    _add_to_all_arms(scene, gpu.mesh(*boxes(walk), colour=(0.34, 0.31, 0.28, 1), kind=2.0))
    _add_to_all_arms(scene, gpu.mesh(*boxes(kerb), colour=(0.66, 0.66, 0.64, 1), kind=2.0))


def _markings(gpu: GpuContext, scene: RenderScene) -> None:
    white: list[Box] = []

    def paint(x0: float, y0: float, x1: float, y1: float) -> None:
        white.append((x0, y0, 0.004, x1, y1, 0.008))

    paint(LINE_X, 0.12, LINE_X + 0.35, HALF_M)  # its near edge is the stop line of the site file
    for y in (LANE_M, -LANE_M):
        paint(LINE_X - 30, y - 0.06, LINE_X, y + 0.06)
        for x in range(int(LINE_X - 30), -int(ARM_M), -6):
            paint(x - 3, y - 0.06, x, y + 0.06)
    for y in (-0.15, 0.15):
        paint(-ARM_M, y - 0.06, LINE_X, y + 0.06)
    paint(-ARM_M, -HALF_M - 0.06, LINE_X, -HALF_M + 0.06)
    y = -HALF_M + 0.3
    while y < HALF_M - 0.5:
        paint(LINE_X + 0.95, y, LINE_X + 3.35, y + 0.45)
        y += 0.95
    _add_to_all_arms(scene, gpu.mesh(*boxes(white), colour=(0.78, 0.78, 0.75, 1), kind=2.0))
    yellow: list[Box] = [(-BOX_M + 0.02, -HALF_M, 0.004, -BOX_M + 0.2, HALF_M, 0.008)]
    _add_to_all_arms(scene, gpu.mesh(*boxes(yellow), colour=(0.75, 0.52, 0.06, 1), kind=2.0))


def _houses(gpu: GpuContext, scene: RenderScene, rng: random.Random) -> None:
    for i, wall in enumerate(((205, 198, 182), (160, 170, 180), (214, 210, 205), (178, 140, 122))):
        facade = Image.new("RGB", (512, 512), wall)
        draw = ImageDraw.Draw(facade)
        for top in range(0, 512, 64):
            for left in range(0, 512, 64):
                grey = rng.randint(35, 95)
                draw.rectangle((left + 10, top + 12, left + 54, top + 50), fill=(grey, grey + 8, grey + 16))
        blocks: list[Box] = []
        for sx in (-1, 1):
            for sy in (-1, 1):
                for j in range(4):
                    x = 20 + (i * 4 + j) * 8.5 + rng.uniform(0, 2)
                    x, far, top_m = sx * x, sx * (x + rng.uniform(6, 9)), rng.choice([6, 7, 9, 12, 18, 26])
                    blocks.append((min(x, far), min(sy * 14.5, sy * 28), 0, max(x, far), max(sy * 14.5, sy * 28), top_m))
        points, normals, uv = boxes(blocks)
        scene.still.append((gpu.mesh(points, normals, uv / 24.0, texture=gpu.picture(facade), rough=0.7), np.eye(4)))


def _palms(gpu: GpuContext, scene: RenderScene, meshes: Path, rng: random.Random) -> None:
    palm = [
        gpu.mesh(p.points, p.normals, p.uv, colour=p.colour, texture=gpu.picture(bodies.read_texture(p.texture)) if p.texture else None)
        for p in bodies.load(meshes, "palm").parts
    ]
    for x in (-112, -55, 19, 34):
        for y in (10.2, -11.0):
            place = translation(x + rng.uniform(-2, 2), y, 0.15) @ rotation(rng.uniform(0, 6))
            scene.still.extend((mesh, place) for mesh in palm)


def _signals(gpu: GpuContext, scene: RenderScene, arm: str) -> None:
    """A low repeater at the stop line, and above it the large signal head."""
    turn = rotation(TURNS[arm] * math.pi / 2)
    place = turn @ translation(*POLE_XY, 0)
    pole: list[Box] = [(-0.06, -0.06, 0, 0.06, 0.06, 5.6)]
    scene.still.append((gpu.mesh(*boxes(pole), colour=(0.22, 0.23, 0.24, 1), rough=0.5), place))
    for bottom, lamp_m in ((REPEATER_Z, REPEATER_LAMP_M), (4.4, 0.3)):
        half, low, high = housing(bottom, lamp_m)
        case: list[Box] = [(-0.3, -half, low, -0.06, half, high)]
        scene.still.append((gpu.mesh(*boxes(case), colour=(0.012, 0.012, 0.012, 1), rough=0.7), place))
        disc = _disc(lamp_m / 2)
        normals, uv = np.tile([-1.0, 0.0, 0.0], (len(disc), 1)), np.zeros((len(disc), 2))
        for i, colour in enumerate(("green", "yellow", "red")):
            rgb = LAMP_COLOURS[colour]
            lit = gpu.mesh(disc, normals, uv, colour=(*rgb, 1), rough=1.0, glow=2.4)
            unlit = gpu.mesh(disc, normals, uv, colour=(*(0.03 * c + 0.006 for c in rgb), 1), rough=1.0)
            scene.lamps.setdefault(arm, []).append((colour, lit, unlit, place @ translation(-0.305, 0, lamp_z(bottom, lamp_m, i))))


def _disc(radius_m: float) -> Array:
    angles = np.linspace(0, 2 * math.pi, 25)
    rim = [(0.0, radius_m * math.cos(a), radius_m * math.sin(a)) for a in angles]
    return np.array([p for a, b in pairwise(rim) for p in ((0.0, 0.0, 0.0), a, b)])
