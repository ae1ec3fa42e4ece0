"""Renders a camera's frames, and reads the ground truth of each vehicle from a second picture with object ids.

The camera does not move, so the scenery and its depth are rendered once; each frame renders only the vehicles and their shadows. That
takes about half a second at 1920x1080 on one core, against several seconds for the whole scene.
"""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("LP_NUM_THREADS", "1")  # otherwise Mesa uses all cores

import moderngl
import numpy as np
from numpy.typing import NDArray

from simulator import scene as scenery
from simulator.camera import Array, PinholeCamera, look_at, rotation, translation
from simulator.demand import PlannedVehicle
from simulator.fleet import Fleet, VehicleAppearance
from simulator.gpu import WHITE, GpuContext, Mesh, Tint, put, write
from simulator.layout import ARM_M, HALF_M, SHOULDER_M
from simulator.traffic import VehicleState
from simulator.views import heading_rad

SHADOW_PX = 2048
SHADOW_REACH_M = 30.0
SAMPLES = 4
MIN_VISIBLE_PX = 30
RIDER = 3  # each vehicle has ten ids in the id picture: body 0, plates 1 and 2, riders 3

Pixels = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class RenderedVehicle:
    """A vehicle in a picture: box of its visible pixels, and all corners of the plate that faces the camera, even if it is occluded."""

    id: str
    box: Pixels
    body_box: Pixels | None
    """Box without the riders, as detectors return it for motorcycles; None if only riders are visible."""
    plate_quad: tuple[tuple[float, float], ...] | None
    plate_visible: float
    plate_width_px: float


@dataclass(frozen=True, slots=True)
class PlacedMesh:
    vehicle: PlannedVehicle
    look: VehicleAppearance
    matrix: Array
    number: int


class Renderer:
    """Renders the frames of one camera."""

    def __init__(self, camera: PinholeCamera, meshes: Path) -> None:
        self.camera = camera
        self.gpu = GpuContext()
        self.fleet = Fleet(self.gpu, meshes)
        size, ctx = (camera.width, camera.height), self.gpu.ctx
        samples = min(SAMPLES, ctx.max_samples)
        self._still, self._work = (
            ctx.framebuffer([ctx.renderbuffer(size, 4, samples=samples)], ctx.depth_renderbuffer(size, samples=samples)) for _ in range(2)
        )
        self._still_id, self._id = (
            ctx.framebuffer([ctx.renderbuffer(size, 1, dtype="i4")], ctx.depth_renderbuffer(size)) for _ in range(2)
        )
        self._flat = ctx.framebuffer([ctx.renderbuffer(size, 4)])
        self._shadows = [ctx.depth_texture((SHADOW_PX, SHADOW_PX)) for _ in range(2)]
        for shadow in self._shadows:
            shadow.compare_func, shadow.repeat_x, shadow.repeat_y = "<=", False, False
        self._shadow_targets = [ctx.framebuffer(depth_attachment=shadow) for shadow in self._shadows]
        self._set_sun()
        self._road = self._shadow_surface()
        self._scene = scenery.build(self.gpu, meshes)
        self._draw_scenery()

    def _set_sun(self) -> None:
        plan = self.camera.plan
        sun = np.array(plan.sun) / np.linalg.norm(plan.sun)
        middle = np.array([plan.at[0] + 4.0, plan.at[1], 0.0])
        ortho = np.diag([1 / SHADOW_REACH_M, 1 / SHADOW_REACH_M, -1 / 80.0, 1.0])
        ortho[2, 3] = -1.0
        self._sunview = ortho @ look_at(middle + sun * 80, middle)
        for program in (self.gpu.lit, self.gpu.shade):
            write(program, "view", self.camera.matrix)
            write(program, "sunview", self._sunview)
            put(program, still_shadow=1, moving_shadow=2, texel=1.0 / SHADOW_PX)
        write(self.gpu.identity, "view", self.camera.matrix)
        write(self.gpu.depth, "view", self._sunview)
        lit = self.gpu.lit
        put(lit, tex=0, eye=tuple(self.camera.eye), sun=tuple(sun), suncol=(2.5, 2.38, 2.15), ambient=(0.46, 0.52, 0.62))

    def _shadow_surface(self) -> moderngl.VertexArray:
        """A surface just above the road on which the shadows of vehicles are drawn."""
        low, high, z = -HALF_M - SHOULDER_M, HALF_M + 0.3, 0.012
        corners = [(-ARM_M, low), (60.0, low), (60.0, high), (-ARM_M, high)]
        sheet = np.array([(*corners[i], z) for i in (0, 1, 2, 0, 2, 3)], "f4")
        return self.gpu.ctx.vertex_array(self.gpu.shade, [(self.gpu.ctx.buffer(sheet.tobytes()), "3f", "p")])

    def _draw_scenery(self) -> None:
        for target in self._shadow_targets:
            target.use()
            target.clear(depth=1.0)
        self._shadow_targets[0].use()
        for mesh, place in self._scene.still:
            if mesh.kind == 0:
                write(self.gpu.depth, "model", place)
                mesh.depth.render()
        self._still.use()
        self._still.clear(0.70, 0.80, 0.92, 1.0, depth=1.0)
        self._bind_shadows()
        for mesh, place in self._scene.still:
            self._draw(mesh, place, WHITE)
        self._still_id.use()
        self._still_id.clear(depth=1.0)
        put(self.gpu.identity, id=0)
        for mesh, place in self._scene.still:
            if mesh.kind != 1 and self._in_frame(mesh, place):
                write(self.gpu.identity, "model", place)
                mesh.identity.render()

    def frame(
        self, present: list[tuple[PlannedVehicle, VehicleState]], lamps: dict[str, str], *, picture: bool = True
    ) -> tuple[NDArray[np.uint8] | None, list[RenderedVehicle]]:
        """The picture (height x width x 3, uint8, RGB) and the vehicles in it. `picture` False: None, which is ten times faster."""
        placed = []
        for number, (vehicle, s) in enumerate(present):
            matrix = translation(s.x, s.y, 0.0) @ rotation(heading_rad(s))
            placed.append(PlacedMesh(vehicle, self.fleet.appearance(vehicle), matrix, number))
        image = self._render(placed, lamps) if picture else None
        return image, self._truth(placed)

    def _render(self, placed: list[PlacedMesh], lamps: dict[str, str]) -> NDArray[np.uint8]:
        ctx = self.gpu.ctx
        self._shadow_targets[1].use()
        self._shadow_targets[1].clear(depth=1.0)
        for item in placed:
            for mesh, place, _ in item.look.parts:
                write(self.gpu.depth, "model", item.matrix @ place)
                mesh.depth.render()
        ctx.copy_framebuffer(self._work, self._still)
        self._work.use()
        self._bind_shadows()
        ctx.enable(moderngl.BLEND)
        self._work.depth_mask = False
        self._road.render()
        self._work.depth_mask = True
        ctx.disable(moderngl.BLEND)
        for arm, rows in self._scene.lamps.items():
            for colour, lit, unlit, place in rows:
                self._draw(lit if lamps.get(arm) == colour else unlit, place, WHITE)
        for item in placed:
            for mesh, place, tint in item.look.parts:
                self._draw(mesh, item.matrix @ place, tint)
            for mesh, _ in item.look.plates.values():
                self._draw(mesh, item.matrix, WHITE)
        ctx.copy_framebuffer(self._flat, self._work)
        raw = np.frombuffer(self._flat.read(components=3, alignment=1), np.uint8)
        return raw.reshape(self.camera.height, self.camera.width, 3)[::-1]

    def _bind_shadows(self) -> None:
        for unit, shadow in enumerate(self._shadows, start=1):
            shadow.use(unit)

    def _draw(self, mesh: Mesh, place: Array, tint: Tint) -> None:
        if not self._in_frame(mesh, place):
            return
        (mesh.texture or self.gpu.white).use(0)
        put(self.gpu.lit, use_tex=float(mesh.texture is not None), rough=mesh.rough, kind=mesh.kind, glow=mesh.glow, tint=tint)
        write(self.gpu.lit, "model", place)
        mesh.lit.render()

    def _in_frame(self, mesh: Mesh, place: Array) -> bool:
        clip = mesh.corners @ (self.camera.matrix @ place).T
        return not any(bool((sign * clip[:, axis] > clip[:, 3]).all()) for axis in range(3) for sign in (1, -1))

    def _truth(self, placed: list[PlacedMesh]) -> list[RenderedVehicle]:
        self.gpu.ctx.copy_framebuffer(self._id, self._still_id)
        self._id.use()
        for item in placed:
            for i, (mesh, place, _) in enumerate(item.look.parts):
                if self._in_frame(mesh, item.matrix @ place):
                    self._draw_id(mesh, item.matrix @ place, 10 * item.number + (10 if i < item.look.body_parts else 10 + RIDER))
            for side, (mesh, _) in enumerate(item.look.plates.values()):
                self._draw_id(mesh, item.matrix, 10 * item.number + 11 + side)
        raw = np.frombuffer(self._id.read(components=1, dtype="i4"), np.int32)
        ids = raw.reshape(self.camera.height, self.camera.width)[::-1]
        return [vehicle for item in placed if (vehicle := self._rendered_vehicle(ids, item))]

    def _draw_id(self, mesh: Mesh, place: Array, number: int) -> None:
        put(self.gpu.identity, id=number)
        write(self.gpu.identity, "model", place)
        mesh.identity.render()

    def _rendered_vehicle(self, ids: NDArray[np.int32], item: PlacedMesh) -> RenderedVehicle | None:
        body = item.look.body
        high = body.high + np.array([0.0, 0.0, 1.0 if item.vehicle.riders else 0.0])
        corners = np.array([(x, y, z) for x in (body.low[0], high[0]) for y in (body.low[1], high[1]) for z in (body.low[2], high[2])])
        uv = self._pixels(corners, item.matrix)
        if np.isnan(uv).any():
            return None
        x0, y0 = np.maximum(np.floor(uv.min(axis=0)).astype(int) - 2, 0)
        x1, y1 = np.ceil(uv.max(axis=0)).astype(int) + 3
        part = ids[y0:y1, x0:x1]
        own = part // 10 == item.number + 1
        box = _box(own, int(x0), int(y0))
        if box is None:
            return None
        quad, visible, width = None, 0.0, 0.0
        for side, (_, corners3) in enumerate(item.look.plates.values()):
            count = int((part == 10 * item.number + 11 + side).sum())
            if count > 8:
                q = self._pixels(corners3, item.matrix)
                nxt = np.roll(q, -1, axis=0)
                area = 0.5 * abs(float((q[:, 0] * nxt[:, 1] - nxt[:, 0] * q[:, 1]).sum()))
                if min(1.0, count / max(area, 1.0)) > visible:
                    visible, width = min(1.0, count / max(area, 1.0)), float(np.linalg.norm(q[1] - q[0]))
                    quad = tuple((round(float(x), 1), round(float(y), 1)) for x, y in q)
        body_box = _box(own & (part % 10 != RIDER), int(x0), int(y0))
        return RenderedVehicle(item.vehicle.id, box, body_box, quad, round(visible, 2), round(width, 1))

    def _pixels(self, points: Array, matrix: Array) -> Array:
        return self.camera.project((np.c_[points, np.ones(len(points))] @ matrix.T)[:, :3])


def _box(mask: NDArray[np.bool_], left: int, top: int) -> Pixels | None:
    """Box of the pixels that are set; None if there are fewer than `MIN_VISIBLE_PX`."""
    rows, columns = np.nonzero(mask)
    if len(rows) < MIN_VISIBLE_PX:
        return None
    return int(columns.min()) + left, int(rows.min()) + top, int(columns.max()) + left + 1, int(rows.max()) + top + 1
