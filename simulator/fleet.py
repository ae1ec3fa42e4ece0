"""Appearance of vehicles: body, colour, front and rear plates, riders and helmets."""

import math
import random
from dataclasses import dataclass, field
from pathlib import Path

import moderngl
import numpy as np

from simulator import bodies
from simulator.bodies import Body
from simulator.camera import Array, translation
from simulator.demand import PlannedVehicle
from simulator.gpu import WHITE, GpuContext, Mesh, Tint
from simulator.plates import SIZES_M, plate_picture

CAR_TINTS: tuple[Tint, ...] = (
    (1.0, 1.0, 1.0),
    (0.85, 0.85, 0.87),
    (0.12, 0.12, 0.13),
    (0.32, 0.33, 0.35),
    (0.62, 0.08, 0.06),
    (0.10, 0.18, 0.45),
    (0.60, 0.60, 0.63),
    (0.42, 0.36, 0.25),
)
SCOOTER_TINTS: tuple[Tint, ...] = ((1.0, 1.0, 1.0), (0.9, 0.2, 0.15), (0.15, 0.15, 0.17), (0.3, 0.4, 1.0))
TRUCK_TINTS: tuple[Tint, ...] = ((1.0, 1.0, 1.0), (0.95, 0.75, 0.3), (0.5, 0.65, 0.95))
CLOTHES: tuple[Tint, ...] = ((1.0, 1.0, 1.0), (0.75, 0.8, 0.95), (0.95, 0.75, 0.7), (0.65, 0.65, 0.65))
BLACK_HAIR: Tint = (0.32, 0.27, 0.27)
"""Makes the fair hair of the models nearly black, as riders in Indonesia have it."""
DARK_HAIRED = 0.85
HELMET_M = (0.178, 0.14, 0.145)
"""Half the length, width and height of a full-face helmet."""
HELMETS: tuple[Tint, ...] = ((0.02, 0.02, 0.02), (0.6, 0.6, 0.6), (0.5, 0.02, 0.02), (0.04, 0.08, 0.4), (0.7, 0.35, 0.02))


@dataclass(slots=True)
class VehicleAppearance:
    """Meshes with their pose on the vehicle and their colour; mesh and corners of the plate by side.

    The corners (4 x 3) start at the top left of the text and go clockwise.
    """

    body: Body
    parts: list[tuple[Mesh, Array, Tint]] = field(default_factory=list)
    body_parts: int = 0
    """Number of parts, from the first, that belong to the vehicle; the rest are riders."""
    plates: dict[str, tuple[Mesh, Array]] = field(default_factory=dict)


class Fleet:
    """Creates the appearance of each vehicle once."""

    def __init__(self, gpu: GpuContext, meshes: Path) -> None:
        self._gpu, self._meshes = gpu, meshes
        self._bodies: dict[str, tuple[Body, list[Mesh]]] = {}
        self._textures: dict[Path, moderngl.Texture] = {}
        self._helmets: dict[Tint, list[Mesh]] = {}
        self._appearances: dict[PlannedVehicle, VehicleAppearance] = {}

    def appearance(self, vehicle: PlannedVehicle) -> VehicleAppearance:
        if vehicle not in self._appearances:
            self._appearances[vehicle] = self._create(vehicle)
        return self._appearances[vehicle]

    def _create(self, vehicle: PlannedVehicle) -> VehicleAppearance:
        rng = random.Random(vehicle.id + vehicle.registration.number)
        tints = {"car": CAR_TINTS, "motorcycle": SCOOTER_TINTS}.get(vehicle.kind, TRUCK_TINTS)
        body, meshes = self.model(rng.choice(bodies.BODIES[vehicle.kind]))
        appearance = VehicleAppearance(body)
        tint = rng.choice(tints)
        appearance.parts.extend((mesh, np.eye(4), tint) for mesh in meshes)
        self.add_plates(appearance, vehicle)
        appearance.body_parts = len(appearance.parts)
        for seat, helmet in enumerate(vehicle.riders):
            self.add_rider(appearance, rng, seat, helmet)
        return appearance

    def model(self, name: str) -> tuple[Body, list[Mesh]]:
        if name not in self._bodies:
            body = bodies.load(self._meshes, name)
            vehicle = bodies.MODELS[name].plate is not None
            meshes = [
                self._gpu.mesh(
                    part.points,
                    part.normals,
                    part.uv,
                    colour=part.colour,
                    body=2.0 if name == "scooter" else float(part.hair or (part.tinted and vehicle)),
                    texture=self._texture(part.texture),
                    rough=0.15 if vehicle and (part.glass or part.tinted) else 0.75,
                )
                for part in body.parts
            ]
            self._bodies[name] = body, meshes
        return self._bodies[name]

    def _texture(self, path: Path | None) -> moderngl.Texture | None:
        if path is None:
            return None
        if path not in self._textures:
            self._textures[path] = self._gpu.picture(bodies.read_texture(path))
        return self._textures[path]

    def add_plates(self, appearance: VehicleAppearance, vehicle: PlannedVehicle) -> None:
        width, height = SIZES_M["motorcycle" if vehicle.kind == "motorcycle" else "car"]
        painted = self._gpu.picture(plate_picture(vehicle.registration, vehicle.kind))
        for side, (x, z) in appearance.body.plates.items():
            sign = 1 if side == "rear" else -1  # seen from behind, larger y is left
            across = np.array([1.0, -1.0, -1.0, 1.0]) * sign * width / 2
            up = np.array([1.0, 1.0, -1.0, -1.0]) * height / 2
            quad = np.stack([np.full(4, x), across, z + up], axis=1)
            order, normals = [0, 1, 2, 0, 2, 3], np.tile([-sign, 0.0, 0.0], (6, 1))
            uv = np.array([(0, 1), (1, 1), (1, 0), (0, 1), (1, 0), (0, 0)], float)
            appearance.plates[side] = self._gpu.mesh(quad[order], normals, uv, texture=painted, rough=0.7), quad
            middle = np.array([x, 0.0, z])
            holder = (quad - middle) * [1.0, 1.05, 1.14] + middle + [sign * 0.006, 0.0, 0.0]
            appearance.parts.append(
                (self._gpu.mesh(holder[order], normals, uv, colour=(0.02, 0.02, 0.022, 1), rough=0.6), np.eye(4), WHITE)
            )

    def add_rider(self, appearance: VehicleAppearance, rng: random.Random, seat: int, helmet: bool) -> None:
        person, meshes = self.model(rng.choice(bodies.RIDERS))
        x, z = -1.02 - 0.36 * seat, 0.22 + 0.05 * min(seat, 1)
        clothes = rng.choice(CLOTHES)
        hair = BLACK_HAIR if rng.random() < DARK_HAIRED else WHITE
        place = translation(x, 0, z)
        appearance.parts.extend((mesh, place, hair if part.hair else clothes) for part, mesh in zip(person.parts, meshes, strict=True))
        if helmet:
            head = translation(x + person.head[0] + 0.01, 0.0, z + person.head[1] - 0.12)
            appearance.parts.extend((mesh, head, WHITE) for mesh in self._helmet(rng.choice(HELMETS)))

    def _helmet(self, colour: Tint) -> list[Mesh]:
        """An ellipsoid with a dark visor."""
        if colour not in self._helmets:
            shells: tuple[list[Array], list[Array]] = ([], [])
            around, down = 20, 12

            def point(i: int, j: int) -> Array:
                a, b = 2 * math.pi * i / around, math.pi * j / down
                return np.array([math.sin(b) * math.cos(a), math.sin(b) * math.sin(a), math.cos(b)])

            for i in range(around):
                for j in range(down):
                    q = [point(i, j), point(i, j + 1), point(i + 1, j + 1), point(i + 1, j)]
                    middle = np.mean(q, axis=0)
                    shells[bool(middle[0] > 0.5 and -0.45 < middle[2] < 0.35)].extend((q[0], q[1], q[2], q[0], q[2], q[3]))
            self._helmets[colour] = [
                self._gpu.mesh(np.array(s) * HELMET_M, np.array(s), np.zeros((len(s), 2)), colour=(*c, 1.0), rough=0.2)
                for s, c in zip(shells, (colour, (0.02, 0.02, 0.03)), strict=True)
            ]
        return self._helmets[colour]
