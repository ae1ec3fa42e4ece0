"""The site file for the rendered clips; all coordinates are computed by projection."""

import numpy as np

from simulator.camera import Array, PinholeCamera
from simulator.layout import BOX_X, HALF_M, KELUAR, LANE_M, LINE_X, MASUK, POLE_XY, REPEATER_LAMP_M, REPEATER_Z, SHOULDER_M, SITE
from simulator.scene import housing

Ground = tuple[float, float]

HEAD = f"""\
# Written by `python -m simulator`: simulated footage with exact coordinates; simulator/README.md describes its purpose.
# Pixels are those of the full frame; metres are on the road, x to the east and y to the north.
site: {SITE}
name: Simpang Demo
timezone: Asia/Jakarta
cameras:
"""


def site_file(cameras: dict[str, PinholeCamera], starts_at: dict[str, str]) -> str:
    masuk, keluar = cameras[MASUK.id], cameras[KELUAR.id]
    return HEAD + _masuk(masuk, starts_at[MASUK.id]) + _keluar(keluar, starts_at[KELUAR.id])


def _masuk(camera: PinholeCamera, starts_at: str) -> str:
    return (
        _camera(camera, starts_at, "the side of the vehicles that the camera sees: rear | front")
        + _ground_points(camera, [(x, y) for x in (-24, -20, -17, LINE_X, BOX_X, -4) for y in (0, LANE_M, HALF_M)])
        + "    signals:\n"
        + f"      - {{id: barat, head: {_numbers(_head(camera))}, order: [red, yellow, green]}}  # the housing; lamps from top to bottom\n"
        + "    lines:\n"
        + _line(camera, "henti", LINE_X, "near edge of the painted stop line")
        + _line(camera, "simpang", BOX_X, "entry of the junction box")
        + "    lanes:\n"
        + _lane(camera, "kiri", (-27, LINE_X), (LANE_M, HALF_M), forward=True)
        + _lane(camera, "kanan", (-27, LINE_X), (0, LANE_M), forward=True)
        + "    rules:\n"
        + "      - {rule: red_light, line: henti, entry: simpang, signal: barat}\n"
        + "      - {rule: stop_line, line: henti, entry: simpang, signal: barat}\n"
    )


def _keluar(camera: PinholeCamera, starts_at: str) -> str:
    near, far = camera.plan.eye[0] + 10, camera.plan.eye[0] + 55
    points = [(near + d, y) for d in (3, 7, 12, 20) for y in (-LANE_M, -HALF_M)] + [(near + d, 0.0) for d in (12, 20)]
    return (
        _camera(camera, starts_at, "of the legal traffic")
        + _ground_points(camera, points)
        + "    lanes:\n"
        + _lane(camera, "keluar-1", (near, far), (-HALF_M - SHOULDER_M, -LANE_M), forward=False, note="kerb lane with its shoulder")
        + _lane(camera, "keluar-2", (near, far), (-LANE_M, 0), forward=False)
        + "    rules:\n"
        + "      - {rule: wrong_way, lanes: [keluar-1, keluar-2]}\n"
    )


def _camera(camera: PinholeCamera, starts_at: str, note: str) -> str:
    plan = camera.plan
    return (
        f"  - id: {plan.camera_id}\n"
        f"    name: {plan.name}\n"
        f"    view: {plan.view}  # {note}\n"
        f'    source: {{file: {plan.id}.mp4, starts_at: "{starts_at}"}}\n'
        f"    frame_size: [{camera.width}, {camera.height}]\n"
    )


def _ground_points(camera: PinholeCamera, points: list[Ground]) -> str:
    rows = [f"      - {{px: {_pixel(camera, p)}, m: {_numbers(p)}}}\n" for p in points if camera.sees(*p)]
    return "    ground_points:  # picture point -> metres on the road\n" + "".join(rows)


def _head(camera: PinholeCamera) -> list[float]:
    """Box of the front of the low signal head."""
    half, low, high = housing(REPEATER_Z, REPEATER_LAMP_M)
    x, y = POLE_XY
    face = camera.project(np.array([[x - 0.3, y + side, z] for side in (-half, half) for z in (low, high)]))
    return [*face.min(axis=0), *face.max(axis=0)]


def _line(camera: PinholeCamera, name: str, x: float, note: str) -> str:
    ends = f"[{_pixel(camera, (x, HALF_M))}, {_pixel(camera, (x, 0.0))}]"
    return f"      - {{id: {name}, points: {ends}, beyond: {_pixel(camera, (x + 2.5, HALF_M / 2))}}}  # {note}\n"


def _lane(camera: PinholeCamera, name: str, xs: Ground, ys: Ground, *, forward: bool, note: str = "") -> str:
    corners = np.array([camera.ground(*p) for p in ((xs[0], ys[0]), (xs[1], ys[0]), (xs[1], ys[1]), (xs[0], ys[1]))])
    polygon = ", ".join(_numbers(p) for p in clip_to_frame(corners, camera.width, camera.height))
    middle = sum(ys) / 2
    inside = [x for x in np.linspace(*xs, 60) if camera.sees(float(x), middle)]
    ends = [_pixel(camera, (float(inside[len(inside) * part // 10]), middle)) for part in (2, 7)]
    along = ", ".join(ends if forward else ends[::-1])
    comment = f"  # {note}" if note else ""
    return f"      - {{id: {name}, polygon: [{polygon}], along: [{along}]}}{comment}\n"


def clip_to_frame(polygon: Array, width: int, height: int) -> Array:
    """The part of a polygon (n x 2) inside the picture (Sutherland-Hodgman)."""
    for axis, limit, sign in ((0, 0, 1), (0, width - 1, -1), (1, 0, 1), (1, height - 1, -1)):
        inside = sign * (polygon[:, axis] - limit)
        kept: list[Array] = []
        for i in range(len(polygon)):
            j = (i + 1) % len(polygon)
            if inside[i] >= 0:
                kept.append(polygon[i])
            if (inside[i] >= 0) != (inside[j] >= 0):
                kept.append(polygon[i] + (polygon[j] - polygon[i]) * inside[i] / (inside[i] - inside[j]))
        polygon = np.array(kept)
    return polygon


def _pixel(camera: PinholeCamera, point: Ground) -> str:
    return _numbers(camera.ground(*point))


def _numbers(values: object) -> str:
    return "[" + ", ".join(f"{round(float(v), 1):g}" for v in values) + "]"  # type: ignore[attr-defined]  # tuples, lists and arrays
