"""Vehicle and rider models: read from OBJ, brought to size, with the foreign plates painted out of their textures.

Axes after loading: x forward, y left, z up; the origin is on the road under the middle of the front bumper (vehicles) or under the
seat (riders), because SUMO says where the front bumper is.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from simulator.camera import Array
from simulator.plates import SIZES_M


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyModel:
    """Where a model lies and how large it is in life; heights are those of the middle of each plate."""

    path: str
    length_m: float | None = None
    height_m: float | None = None
    plate: str | None = None
    rear_z: float = 0.0
    front_z: float = 0.0
    without: str | None = None
    """A material whose triangles are left out."""


MODELS = {
    "hatchback": BodyModel(path="scopia/seat_leon/seat_leon.obj", length_m=4.2, plate="car", rear_z=0.52, front_z=0.42),
    "minivan": BodyModel(
        path="scopia/renault-scenic/renault-scenic.obj", length_m=4.26, plate="car", rear_z=0.60, front_z=0.525, without="plate"
    ),
    "suv": BodyModel(path="scopia/suv/suv.obj", length_m=4.5, plate="car", rear_z=0.80, front_z=0.50),
    "city_bus": BodyModel(path="scopia/cityBus/cityBus.obj", length_m=12.0, plate="car", rear_z=0.82, front_z=0.46),
    "coach": BodyModel(path="scopia/bus/bus.obj", length_m=12.0, plate="car", rear_z=0.48, front_z=0.55),
    "box_truck": BodyModel(path="scopia/truck/truck.obj", length_m=6.3, plate="car", rear_z=0.88, front_z=0.62),
    "scooter": BodyModel(path="scopia/scooter2/scooter2.obj", length_m=1.9, plate="motorcycle", rear_z=0.62, front_z=0.98),
    "man": BodyModel(path="reallusion/sitMale02/sitMale02.obj", height_m=1.36),
    "woman": BodyModel(path="reallusion/sitFemale03/sitFemale03.obj", height_m=1.30),
    "youth": BodyModel(path="reallusion/boySitting/boySitting.obj", height_m=1.30),
    "palm": BodyModel(path="scopia/palm/palm.obj", height_m=9.0),
}
# The package has a van and a Ford Focus too: COCO detectors call the one a bus and overlook the other, so neither may be a car here.
BODIES = {
    "car": ("hatchback", "minivan", "suv"),
    "bus": ("city_bus", "coach"),
    "truck": ("box_truck",),
    "motorcycle": ("scooter",),
}
RIDERS = ("man", "woman", "youth")

# Plates and line numbers in the makers' textures, as parts of width and height from the top left: (left, top, right, bottom).
# A plate that the truth does not know would be read and held against the reader.
PAINTED_OVER = {
    "suv-map.png": ((0.0, 0.875, 0.43, 1.0),),
    "renault-scenic.jpg": ((0.71, 0.435, 0.87, 0.50), (0.88, 0.90, 1.0, 0.965)),
    "matricula_sencilla.jpg": ((0.0, 0.0, 1.0, 1.0),),
    "texturesComplementsBus.jpg": ((0.0, 0.0, 0.45, 0.13), (0.18, 0.30, 0.47, 0.49), (0.10, 0.48, 0.56, 0.66)),
    "bus-texture.png": ((0.40, 0.36, 0.82, 0.49),),
    "truck-texture.jpg": ((0.01, 0.66, 0.18, 0.735), (0.30, 0.79, 0.48, 0.86)),
}


@dataclass(frozen=True, slots=True)
class BodyPart:
    """Triangles of one material, three rows each."""

    points: Array
    normals: Array
    uv: Array
    colour: tuple[float, float, float, float]
    texture: Path | None
    glass: bool
    tinted: bool


@dataclass(frozen=True, slots=True)
class Body:
    parts: tuple[BodyPart, ...]
    low: Array
    high: Array
    plates: dict[str, tuple[float, float]]
    """Side (rear, front) -> x and z of the middle of the plate."""
    head: tuple[float, float]
    """x and top z of a person's head."""


def read_texture(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGBA")
    draw = ImageDraw.Draw(picture)
    w, h = picture.size
    for left, top, right, bottom in PAINTED_OVER.get(path.name, ()):
        draw.rectangle((left * w, top * h, right * w - 1, bottom * h - 1), fill=(22, 22, 24, 255))
    return picture


def load(folder: Path, name: str) -> Body:
    model = MODELS[name]
    materials, groups = _read_obj(folder / model.path)
    groups.pop(model.without or "", None)
    points = np.concatenate([g[0] for g in groups.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = model.length_m / (high[0] - low[0]) if model.length_m else (model.height_m or 1.0) / (high[2] - low[2])
    origin = np.array([high[0] if model.length_m else (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    largest = max(groups, key=lambda m: _area(groups[m][0]) * (materials[m].opaque if m in materials else 1))
    parts = []
    for key, (p, n, uv) in groups.items():
        material = materials.get(key, _Material())
        texture = material.texture if material.texture and material.texture.exists() else None
        glass = not material.opaque
        shade = tuple(c**1.8 for c in material.diffuse)
        colour = (1.0, 1.0, 1.0, 1.0) if texture else (0.03, 0.035, 0.04, 1.0) if glass and model.plate else (*shade, 1.0)
        normals = n / (np.linalg.norm(n, axis=1, keepdims=True) + 1e-9)
        parts.append(BodyPart((p - origin) * scale, normals, uv, colour, texture, glass, key == largest))
    soup = np.concatenate([p.points for p in parts])
    top = float(soup[:, 2].max())
    head_x = float(soup[soup[:, 2] > top - 0.22][:, 0].mean())
    return Body(tuple(parts), soup.min(axis=0), soup.max(axis=0), _plate_places(model, soup), (head_x, top))


def _plate_places(model: BodyModel, soup: Array) -> dict[str, tuple[float, float]]:
    """Just outside the outermost surface within the plate's outline, found by sampling the triangles there."""
    if model.plate is None:
        return {}
    width, height = SIZES_M[model.plate]
    triangles = soup.reshape(-1, 3, 3)
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), 400)
    places = {}
    for side, z in (("rear", model.rear_z), ("front", model.front_z)):
        ys, zs = triangles[:, :, 1], triangles[:, :, 2]
        near = (ys.min(1) < width / 2) & (ys.max(1) > -width / 2) & (zs.min(1) < z + height / 2) & (zs.max(1) > z - height / 2)
        samples = np.einsum("kb,tbc->tkc", weights, triangles[near]).reshape(-1, 3)
        samples = samples[(abs(samples[:, 1]) < width / 2) & (abs(samples[:, 2] - z) < height / 2)]
        if len(samples):
            places[side] = (float(samples[:, 0].min() - 0.012 if side == "rear" else samples[:, 0].max() + 0.012), z)
    return places


@dataclass(slots=True)
class _Material:
    diffuse: tuple[float, ...] = (0.6, 0.6, 0.6)
    opaque: bool = True
    texture: Path | None = None


def _area(points: Array) -> float:
    return float(np.linalg.norm(np.cross(points[1::3] - points[::3], points[2::3] - points[::3]), axis=1).sum())


def _read_materials(path: Path) -> dict[str, _Material]:
    materials: dict[str, _Material] = {}
    current = _Material()
    for line in path.read_text(encoding="latin1").splitlines():
        words = line.split()
        match words[:1]:
            case ["newmtl"]:
                current = materials[words[1]] = _Material()
            case ["Kd"]:
                current.diffuse = tuple(float(w) for w in words[1:4])
            case ["d"]:
                current.opaque = float(words[1]) > 0.9
            case ["map_Kd"]:
                current.texture = path.parent / line.split(None, 1)[1].strip()
    return materials


def _read_obj(path: Path) -> tuple[dict[str, _Material], dict[str, tuple[Array, Array, Array]]]:
    """Materials, and per material the triangles' points, normals and texture coordinates."""
    materials: dict[str, _Material] = {}
    rows: dict[str, list[list[float]]] = {"v": [], "vt": [], "vn": []}
    faces: dict[str, list[tuple[int, int, int]]] = {}
    current = ""
    for line in path.read_text(encoding="latin1").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in rows:
            rows[words[0]].append([float(w) for w in words[1 : 3 if words[0] == "vt" else 4]])
        elif words[0] == "usemtl":
            current = words[1]
        elif words[0] == "mtllib":
            materials.update(_read_materials(path.parent / line.split(None, 1)[1].strip()))
        elif words[0] == "f":
            corners = [_corner(word) for word in words[1:]]
            for i in range(1, len(corners) - 1):
                faces.setdefault(current, []).extend((corners[0], corners[i], corners[i + 1]))
    v, vt, vn = (np.array(rows[k] or [[0.0] * n]) for k, n in (("v", 3), ("vt", 2), ("vn", 3)))
    groups = {}
    for key, corners in faces.items():
        index = np.array(corners)
        p = v[_resolve(index[:, 0], len(v))]
        uv = vt[_resolve(index[:, 1], len(vt))] if index[:, 1].any() else np.zeros((len(index), 2))
        flat = np.repeat(np.cross(p[1::3] - p[::3], p[2::3] - p[::3]), 3, axis=0)
        n = vn[_resolve(index[:, 2], len(vn))] if index[:, 2].any() else flat
        groups[key] = (p[:, [2, 0, 1]], n[:, [2, 0, 1]], uv)
    return materials, groups


def _corner(word: str) -> tuple[int, int, int]:
    numbers = [int(part) if part else 0 for part in word.split("/")] + [0, 0]
    return numbers[0], numbers[1], numbers[2]


def _resolve(index: Array, count: int) -> Array:
    """OBJ counts from 1, and backwards from the end below 0."""
    return np.clip(np.where(index > 0, index - 1, index + count), 0, count - 1)
