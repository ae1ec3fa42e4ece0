"""Appearance of vehicles: body, colour, front and rear plates, riders and helmets."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import moderngl
import numpy as np

from simulator import bodies
from simulator.bodies import Body, BodyPart
from simulator.camera import Array, translation
from simulator.demand import PlannedVehicle
from simulator.gpu import WHITE, GpuContext, Mesh, Tint
from simulator.helmets import MIDDLE_M, Helmet, HelmetKind, draw_helmet, parts_of, pressed
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
HELMET_AHEAD_M = 0.01
"""Of the middle of the helmet before that of the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRider:
    """A rider on a vehicle. `head`: points of the surface of the head, or of the helmet and the head, n x 3, in the vehicle's axes."""

    head: Array
    helmet: bool
    first_part: int
    end_part: int
    """Range of the rider's parts in those of the vehicle."""


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
    riders: list[PlacedRider] = field(default_factory=list)


class Fleet:
    """Creates the appearance of each vehicle once."""

    def __init__(self, gpu: GpuContext, meshes: Path) -> None:
        self._gpu, self._meshes = gpu, meshes
        self._bodies: dict[str, tuple[Body, list[Mesh]]] = {}
        self._textures: dict[Path, moderngl.Texture] = {}
        self._helmets: dict[Helmet, list[Mesh]] = {}
        self._pressed: dict[tuple[str, Path | None, HelmetKind], Mesh] = {}
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
                self._mesh(
                    part,
                    body=2.0 if name == "scooter" else float(part.hair or (part.tinted and vehicle)),
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
        name = rng.choice(bodies.RIDERS)
        person, meshes = self.model(name)
        x, z = -1.02 - 0.36 * seat, 0.22 + 0.05 * min(seat, 1)
        clothes = rng.choice(CLOTHES)
        hair = BLACK_HAIR if rng.random() < DARK_HAIRED else WHITE
        place, first = translation(x, 0, z), len(appearance.parts)
        worn = draw_helmet(rng) if helmet else None
        for part, mesh in zip(person.parts, meshes, strict=True):
            shown = self._pressed_hair(name, part, worn.kind) if part.hair and worn is not None else mesh
            appearance.parts.append((shown, place, hair if part.hair else clothes))
        head = person.head_points + np.array([x, 0.0, z])
        if worn is not None:
            middle = np.array([x + person.head[0] + HELMET_AHEAD_M, 0.0, z + person.head[1] - MIDDLE_M])
            appearance.parts.extend((mesh, translation(*middle), WHITE) for mesh in self._helmet(worn))
            head = np.concatenate([head, *(part.points + middle for part in parts_of(worn))])
        appearance.riders.append(PlacedRider(head=head, helmet=helmet, first_part=first, end_part=len(appearance.parts)))

    def _pressed_hair(self, name: str, part: BodyPart, kind: HelmetKind) -> Mesh:
        """A person's hair under a helmet of this kind, which would stick out of it otherwise."""
        key = name, part.texture, kind
        if key not in self._pressed:
            x, top = self.model(name)[0].head
            middle = np.array([x + HELMET_AHEAD_M, 0.0, top - MIDDLE_M])
            self._pressed[key] = self._mesh(replace(part, points=pressed(part.points - middle, kind) + middle), body=1.0, rough=0.75)
        return self._pressed[key]

    def _mesh(self, part: BodyPart, *, body: float, rough: float) -> Mesh:
        return self._gpu.mesh(
            part.points, part.normals, part.uv, colour=part.colour, body=body, texture=self._texture(part.texture), rough=rough
        )

    def _helmet(self, helmet: Helmet) -> list[Mesh]:
        if helmet not in self._helmets:
            self._helmets[helmet] = [
                self._gpu.mesh(part.points, part.normals, np.zeros((len(part.points), 2)), colour=(*part.colour, 1.0), rough=part.rough)
                for part in parts_of(helmet)
            ]
        return self._helmets[helmet]
