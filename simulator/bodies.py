"""3D models of vehicles and riders: read from OBJ, scaled to size, with the plates in their textures painted over.

Axes after loading: x forward, y left, z up. The origin is on the road under the middle of the front bumper (vehicles), which is the
position that SUMO reports, or under the seat (riders).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from simulator.camera import Array
from simulator.plates import SIZES_M


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyModel:
    """Path and real size of a model; `rear_z` and `front_z` are the heights of the centres of its plates, in metres."""

    path: str
    length_m: float | None = None
    height_m: float | None = None
    plate: str | None = None
    rear_z: float = 0.0
    front_z: float = 0.0
    without: str | None = None
    """Name of a material whose triangles are left out."""
    hair: str | None = None
    """Name of the texture of a person's hair."""


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
    "man": BodyModel(path="reallusion/sitMale02/sitMale02.obj", height_m=1.36, hair="MCasual04_79.jpg"),
    "woman": BodyModel(path="reallusion/sitFemale03/sitFemale03.obj", height_m=1.30, hair="Career01_7.jpg"),
    "youth": BodyModel(path="reallusion/boySitting/boySitting.obj", height_m=1.30, hair="Boy_Sitting_35.jpg"),
    "palm": BodyModel(path="scopia/palm/palm.obj", height_m=9.0),
}
# The package also has a van and a Ford Focus. COCO detectors classify the first as a bus and miss the second, so neither is used.
BODIES = {
    "car": ("hatchback", "minivan", "suv"),
    "bus": ("city_bus", "coach"),
    "truck": ("box_truck",),
    "motorcycle": ("scooter",),
}
RIDERS = ("man", "woman", "youth")
_HEAD_REACH_M = (0.13, 0.105, 0.235)
"""How far a head reaches from the middle of its top: to front and back, to the sides, and down."""

# Plates and route numbers in the textures, as fractions of width and height: (left, top, right, bottom).
# A plate that is not in the ground truth would count as an error of the reader.
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
    """Triangles of one material. `points`, `normals`: 3n x 3, `uv`: 3n x 2."""

    points: Array
    normals: Array
    uv: Array
    colour: tuple[float, float, float, float]
    texture: Path | None
    glass: bool
    tinted: bool
    hair: bool


@dataclass(frozen=True, slots=True)
class Body:
    parts: tuple[BodyPart, ...]
    low: Array
    high: Array
    plates: dict[str, tuple[float, float]]
    """x and z of the centre of the plate, by side (rear, front)."""
    head: tuple[float, float]
    """x and upper z of a person's head."""
    head_points: Array
    """n x 3: of the surface of a person's head, from its top to the chin."""


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
        glass, hair = not material.opaque, model.hair is not None and texture is not None and texture.name == model.hair
        shade = tuple(c**1.8 for c in material.diffuse)
        colour = (1.0, 1.0, 1.0, 1.0) if texture else (0.03, 0.035, 0.04, 1.0) if glass and model.plate else (*shade, 1.0)
        normals = n / (np.linalg.norm(n, axis=1, keepdims=True) + 1e-9)
        parts.append(BodyPart((p - origin) * scale, normals, uv, colour, texture, glass, key == largest, hair))
    all_points = np.concatenate([p.points for p in parts])
    top = float(all_points[:, 2].max())
    head_x = float(all_points[all_points[:, 2] > top - 0.22][:, 0].mean())
    near_head = (np.abs(all_points - (head_x, 0.0, top)) < _HEAD_REACH_M).all(axis=1)
    return Body(
        parts=tuple(parts),
        low=all_points.min(axis=0),
        high=all_points.max(axis=0),
        plates=_plate_positions(model, all_points),
        head=(head_x, top),
        head_points=all_points[near_head],
    )


def _plate_positions(model: BodyModel, all_points: Array) -> dict[str, tuple[float, float]]:
    """Positions 12 mm outside the outermost surface within the plate's outline, from points sampled on the triangles there."""
    if model.plate is None:
        return {}
    width, height = SIZES_M[model.plate]
    triangles = all_points.reshape(-1, 3, 3)
    weights = np.random.default_rng(0).dirichlet((1, 1, 1), 400)
    positions = {}
    for side, z in (("rear", model.rear_z), ("front", model.front_z)):
        ys, zs = triangles[:, :, 1], triangles[:, :, 2]
        near = (ys.min(1) < width / 2) & (ys.max(1) > -width / 2) & (zs.min(1) < z + height / 2) & (zs.max(1) > z - height / 2)
        samples = np.einsum("kb,tbc->tkc", weights, triangles[near]).reshape(-1, 3)
        samples = samples[(abs(samples[:, 1]) < width / 2) & (abs(samples[:, 2] - z) < height / 2)]
        if len(samples):
            positions[side] = (float(samples[:, 0].min() - 0.012 if side == "rear" else samples[:, 0].max() + 0.012), z)
    return positions


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
    """Materials by name, and the points, normals and texture coordinates of their triangles."""
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
    """Zero-based indices from OBJ indices, which start at 1; negative ones count from the end."""
    return np.clip(np.where(index > 0, index - 1, index + count), 0, count - 1)
