"""The OpenGL context with its programs, meshes and textures. Runs on Mesa's software renderer, without a graphics card or display."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moderngl
import numpy as np
from PIL import Image

from simulator import shaders
from simulator.camera import Array

Tint = tuple[float, float, float]
WHITE: Tint = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles of one material as vertex arrays for each of the programs."""

    lit: moderngl.VertexArray
    depth: moderngl.VertexArray
    identity: moderngl.VertexArray
    texture: moderngl.Texture | None
    corners: Array
    rough: float
    kind: float
    glow: float


class GpuContext:
    """Compiled programs; uploads meshes and textures."""

    def __init__(self) -> None:
        egl: dict[str, Any] = {"backend": "egl", "libgl": "libGL.so.1", "libegl": "libEGL.so.1"}
        self.ctx = moderngl.create_context(standalone=True, **egl)
        self.ctx.enable(moderngl.DEPTH_TEST)
        self.lit = self.ctx.program(shaders.LIT_VERTEX, shaders.LIT_FRAGMENT)
        self.depth = self.ctx.program(shaders.PLAIN_VERTEX, shaders.DEPTH_FRAGMENT)
        self.identity = self.ctx.program(shaders.PLAIN_VERTEX, shaders.IDENTITY_FRAGMENT)
        self.shade = self.ctx.program(shaders.SHADE_VERTEX, shaders.SHADE_FRAGMENT)
        self.white = self.ctx.texture((1, 1), 3, b"\xff" * 3)
        self._textures: dict[Path, moderngl.Texture] = {}

    def picture(self, image: Image.Image) -> moderngl.Texture:
        flipped = image.convert("RGBA").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        texture = self.ctx.texture(flipped.size, 4, flipped.tobytes())
        texture.build_mipmaps()
        texture.anisotropy = 4.0
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def mesh(
        self,
        points: Array,
        normals: Array,
        uv: Array,
        *,
        colour: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
        body: float = 0.0,
        texture: moderngl.Texture | None = None,
        rough: float = 0.8,
        kind: float = 0.0,
        glow: float = 0.0,
    ) -> Mesh:
        low, high = points.min(axis=0), points.max(axis=0)
        corners = np.array([(x, y, z, 1) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        rows = np.zeros((len(points), 13), "f4")
        rows[:, :3], rows[:, 3:6], rows[:, 6:8], rows[:, 8:12], rows[:, 12] = points, normals, uv, colour, body
        full = self.ctx.buffer(rows.tobytes())
        bare = self.ctx.buffer(np.ascontiguousarray(rows[:, :3]).tobytes())
        return Mesh(
            self.ctx.vertex_array(self.lit, [(full, "3f 3f 2f 4f 1f", "p", "n", "uv", "col", "body")]),
            self.ctx.vertex_array(self.depth, [(bare, "3f", "p")]),
            self.ctx.vertex_array(self.identity, [(bare, "3f", "p")]),
            texture,
            corners,
            rough,
            kind,
            glow,
        )


def write(program: moderngl.Program, name: str, matrix: Array) -> None:
    uniform = program[name]
    assert isinstance(uniform, moderngl.Uniform)
    uniform.write(matrix.T.astype("f4").tobytes())


def put(program: moderngl.Program, **values: object) -> None:
    for name, value in values.items():
        uniform = program[name]
        assert isinstance(uniform, moderngl.Uniform)
        uniform.value = value


Box = tuple[float, float, float, float, float, float]


def boxes(rows: list[Box]) -> tuple[Array, Array, Array]:
    """Points (n x 3), normals (n x 3) and texture coordinates in metres (n x 2) of the triangles of axis-aligned boxes."""
    points, normals, uvs = [], [], []
    for x0, y0, z0, x1, y1, z1 in rows:
        low, high = (x0, y0, z0), (x1, y1, z1)
        for axis in range(3):
            a, b = (i for i in range(3) if i != axis)
            for far in (0, 1):
                quad = []
                for s, t in ((0, 0), (1, 0), (1, 1), (0, 1)):
                    point = [0.0, 0.0, 0.0]
                    point[axis], point[a], point[b] = (low, high)[far][axis], (low, high)[s][a], (low, high)[t][b]
                    quad.append(point)
                normal = [0.0, 0.0, 0.0]
                normal[axis] = 1.0 if far else -1.0
                w, h = high[a] - low[a], high[b] - low[b]
                for i in (0, 1, 2, 0, 2, 3):
                    points.append(quad[i])
                    normals.append(normal)
                    uvs.append([(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)][i])
    return np.array(points), np.array(normals), np.array(uvs)
