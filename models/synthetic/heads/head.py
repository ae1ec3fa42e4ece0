"""Draws one head: skin, hair, what covers it; or a helmet. Each function returns the box of what it drew, in pixels of the canvas."""

import numpy as np

from etle.types import Box
from models.synthetic.heads.shapes import above, cloth, ellipse, highlight, paint, polygon, rounded, strands
from models.synthetic.heads.values import HeadPose, Light, Rng, Tint
from models.synthetic.scenes.textures import chance

_SKIN = ((0.10, 0.18, 0.36), (0.16, 0.27, 0.5), (0.05, 0.09, 0.2), (0.25, 0.38, 0.65), (0.08, 0.13, 0.28))
_PAINTS: tuple[Tint, ...] = (
    (0.01, 0.01, 0.01), (0.02, 0.02, 0.02), (0.8, 0.8, 0.8), (0.35, 0.35, 0.36), (0.03, 0.03, 0.5), (0.4, 0.1, 0.03),
    (0.02, 0.5, 0.75), (0.1, 0.35, 0.05), (0.45, 0.2, 0.7), (0.02, 0.2, 0.7), (0.5, 0.45, 0.05),
)  # fmt: skip
_PAINT_FREQUENCIES = (0.2, 0.12, 0.17, 0.1, 0.12, 0.08, 0.05, 0.05, 0.04, 0.04, 0.03)
_BARE = ("hair", "scarf", "cap", "hat", "hood", "bald", "songkok", "turban")
_BARE_FREQUENCIES = (0.5, 0.17, 0.13, 0.04, 0.05, 0.04, 0.04, 0.03)


def any_colour(rng: Rng) -> Tint:
    b, g, r = (rng.uniform(0.01, 0.8, 3) if chance(rng, 0.6) else np.full(3, rng.uniform(0.01, 0.85))).tolist()
    return b, g, r


def skin_of(rng: Rng) -> Tint:
    b, g, r = (np.array(_SKIN[int(rng.integers(len(_SKIN)))]) * np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.06, 3))).tolist()
    return b, g, r


def draw_bare(rng: Rng, light: Light, pose: HeadPose) -> Box:
    """A bare head, or one in a scarf, a cap, a hat or a hood."""
    kind = str(rng.choice(_BARE, p=_BARE_FREQUENCIES))
    skin = skin_of(rng)
    if kind == "scarf":
        return _scarf(rng, light, pose, skin)
    top = _skull(rng, light, pose, skin, bald=kind == "bald")
    if kind in ("cap", "hat", "songkok", "turban"):
        top = min(top, _hat(rng, light, pose, kind))
    elif kind == "hood":
        colour, high = any_colour(rng), rng.uniform(1.25, 1.45)
        ring = ellipse(pose, 0, 0.15, rng.uniform(1.1, 1.35), high) * (1 - _face_mask(pose, 0.92, 1.05))
        paint(light, ring, colour, cloth(rng) * rounded(pose, 0, 0, 1.3, 1.3, depth=0.4))
        top = 0.15 - high
    return pose.box(-1.08, top, 1.08, 1.25)


def draw_helmet(rng: Rng, light: Light, pose: HeadPose) -> Box:
    """An open or a full-face helmet, glossy or matte, with visor, peak and graphics."""
    kind = str(rng.choice(["half", "open", "full"], p=[0.25, 0.4, 0.35]))
    across, along = rng.uniform(1.15, 1.4), rng.uniform(1.15, 1.4)
    y = rng.uniform(-0.2, 0.0)
    _skull(rng, light, pose, skin_of(rng), bald=False)
    low = {"half": rng.uniform(0.0, 0.35), "open": rng.uniform(0.6, 0.95), "full": rng.uniform(0.95, 1.3)}[kind]
    shell = ellipse(pose, 0, y, across, along) * above(pose, low, float(rng.normal(0, 0.08)), float(rng.uniform(-0.12, 0.02)))
    if kind != "half":
        shell = np.maximum(shell, ellipse(pose, 0, y + 0.3, across * rng.uniform(0.86, 0.98), along * 0.85) * above(pose, low))
    open_face = _opening(rng, pose, kind)
    shell = shell * (1 - open_face)
    colour = _paint_of(rng)
    gloss = rng.uniform(0.0, 0.15) if chance(rng, 0.25) else np.exp(rng.uniform(np.log(0.15), np.log(3.0)))
    shade = rounded(pose, 0, y, across, along, depth=float(rng.uniform(0.3, 0.95)))
    paint(light, shell, colour, shade)
    if chance(rng, 0.45):
        _graphics(rng, light, pose, shell, shade)
    _visor(rng, light, pose, open_face, kind)
    light += (np.maximum(shell, 0.6 * open_face) * highlight(rng, pose, 0, y, across, along))[..., None] * np.float32(gloss)
    if chance(rng, 0.6):  # the sky on the upper side
        light += (shell * (above(pose, y - 0.3 * along, 0, 0.3)))[..., None] * np.float32(gloss * rng.uniform(0.02, 0.15))
    if chance(rng, 0.3):
        _peak(rng, light, pose, y, along)
    if kind != "full" and pose.ahead > -0.3 and chance(rng, 0.7):
        side = 1.0 if chance(rng, 0.5) else -1.0
        strap = polygon(pose, [(side * 0.85, low - 0.1), (side * 0.95, low), (0.12 * side, 1.18), (0.0, 1.08)])
        paint(light, strap, (0.02, 0.02, 0.02))
    return pose.box(-across, y - along, across, max(low, 1.2))


def _face_mask(pose: HeadPose, across: float, along: float) -> np.ndarray:
    """Where the face shows; empty from behind."""
    seen = max(0.0, 0.55 + 0.45 * pose.ahead)
    if pose.ahead < -0.55:
        return np.zeros_like(ellipse(pose, 0, 0, 1, 1))
    shift = 0.42 * pose.facing
    return ellipse(pose, shift, 0.22, across * (0.45 + 0.4 * seen), along * 0.86)


def _skull(rng: Rng, light: Light, pose: HeadPose, skin: Tint, *, bald: bool) -> float:
    """Skull, hair and face; returns the upper edge in radii."""
    high = rng.uniform(1.15, 1.35)
    hair: Tint = skin if bald else _hair_of(rng)
    if not bald and chance(rng, 0.3):  # long hair
        wide, low = rng.uniform(1.0, 1.35), rng.uniform(0.9, 2.4)
        fall = polygon(pose, [(-wide, -0.2), (wide, -0.2), (wide * rng.uniform(0.6, 1.1), low), (-wide * rng.uniform(0.6, 1.1), low)])
        paint(light, fall, hair, strands(rng))
    skull = ellipse(pose, 0, 0, 1.0, high)
    shade = rounded(pose, 0, 0, 1.1, 1.3, depth=float(rng.uniform(0.2, 0.6)))
    paint(light, skull, hair, shade * (1.0 if bald else strands(rng)))
    if chance(rng, 0.15) and not bald:  # bun, tail, volume
        bun = ellipse(pose, float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-1.3, 0.3)), 0.45, 0.45)
        paint(light, bun, hair, strands(rng))
    face = _face_mask(pose, rng.uniform(0.9, 1.0), high) * (1 - above(pose, rng.uniform(-0.75, -0.35), 0, 0.2))
    paint(light, face, skin, shade)
    if abs(pose.facing) > 0.35 or pose.ahead < 0:
        ear = ellipse(pose, -0.25 * pose.facing if abs(pose.facing) > 0.6 else 0.98 * np.sign(pose.facing or 1), 0.2, 0.16, 0.28)
        if pose.ahead < 0.6 and chance(rng, 0.6):
            paint(light, ear, skin, shade)
    if pose.ahead > -0.35:
        _features(rng, light, pose, face, skin, hair)
    return -high


def _hair_of(rng: Rng) -> Tint:
    dark = rng.uniform(0.004, 0.05)
    if chance(rng, 0.82):
        return dark * rng.uniform(0.7, 1.0), dark * rng.uniform(0.8, 1.0), dark
    if chance(rng, 0.4):
        grey = rng.uniform(0.1, 0.6)
        return grey, grey, grey
    red = rng.uniform(0.08, 0.4)
    return red * rng.uniform(0.1, 0.4), red * rng.uniform(0.35, 0.7), red


def _features(rng: Rng, light: Light, pose: HeadPose, face: np.ndarray, skin: Tint, hair: Tint) -> None:
    x, near = 0.5 * pose.facing, 0.33 * max(0.35, pose.ahead)
    dark: Tint = (skin[0] * 0.25, skin[1] * 0.25, skin[2] * 0.3)
    if chance(rng, 0.25):  # sunglasses
        for side in (-1, 1):
            lens = ellipse(pose, x + side * near, 0.02, 0.3, 0.2) * face
            paint(light, lens, (0.015, 0.012, 0.012))
        paint(light, polygon(pose, [(x - near, -0.05), (x + near, -0.05), (x + near, 0.05), (x - near, 0.05)]) * face, (0.02, 0.02, 0.02))
    else:
        for side in (-1, 1):
            paint(light, ellipse(pose, x + side * near, 0.02, 0.17, 0.09) * face, dark)
            paint(light, ellipse(pose, x + side * near, -0.18, 0.22, 0.05) * face, hair)
    paint(light, ellipse(pose, x + 0.06 * pose.facing, 0.32, 0.1, 0.2) * face, skin, 1.2)
    if chance(rng, 0.22):  # a mask, or a bandana
        colour = any_colour(rng)
        paint(light, face * (1 - above(pose, float(rng.uniform(0.2, 0.4)))), colour, cloth(rng, 0.15))
        return
    if chance(rng, 0.2):  # a beard
        paint(light, face * (1 - above(pose, 0.55)), hair, 1.3)
    if chance(rng, 0.4):
        paint(light, ellipse(pose, x, 0.5, 0.24, 0.05) * face, hair)
    paint(light, ellipse(pose, x, 0.66, 0.24, 0.07) * face, (skin[0] * 0.5, skin[1] * 0.45, skin[2] * 0.75))


def _scarf(rng: Rng, light: Light, pose: HeadPose, skin: Tint) -> Box:
    """A head scarf: cloth around the face, over neck and shoulders."""
    colour, high = any_colour(rng), rng.uniform(1.15, 1.35)
    low, wide = rng.uniform(1.2, 2.6), rng.uniform(0.9, 1.9)
    folds = cloth(rng, float(rng.uniform(0.12, 0.45)))
    body = polygon(pose, [(-0.95, 0.0), (0.95, 0.0), (wide, low), (-wide, low)])
    paint(light, body, colour, folds)
    paint(light, ellipse(pose, 0, 0, rng.uniform(1.02, 1.2), high), colour, folds * rounded(pose, 0, 0, 1.2, 1.3, depth=0.4))
    if chance(rng, 0.3):  # a pattern
        for _ in range(int(rng.integers(4, 20))):
            dot = ellipse(pose, float(rng.uniform(-1, 1)), float(rng.uniform(-1.2, 1.5)), float(rng.uniform(0.04, 0.25)), 0.08)
            paint(light, dot * ellipse(pose, 0, 0, 1.1, high), any_colour(rng), folds)
    if not chance(rng, 0.12):  # otherwise only the eyes show
        face = _face_mask(pose, 0.82, 1.0)
        paint(light, face, skin, rounded(pose, 0, 0, 1.1, 1.3, depth=0.35))
        if pose.ahead > -0.35:
            _features(rng, light, pose, face, skin, colour)
    elif pose.ahead > -0.2:
        paint(light, _face_mask(pose, 0.8, 1.0) * above(pose, 0.15) * (1 - above(pose, -0.15)), skin)
    return pose.box(-1.1, -high, 1.1, 1.25)


def _hat(rng: Rng, light: Light, pose: HeadPose, kind: str) -> float:
    """Returns the upper edge in radii."""
    colour = (0.01, 0.01, 0.01) if kind == "songkok" else any_colour(rng)
    folds, line = cloth(rng, 0.12), float(rng.uniform(-0.5, -0.2))
    if kind == "songkok":
        top = rng.uniform(-1.6, -1.3)
        paint(light, polygon(pose, [(-1.0, line), (1.0, line), (0.9, top), (-0.9, top)]), colour, folds)
        return float(top)
    if kind == "turban":
        paint(light, ellipse(pose, 0, -0.65, 1.25, 0.8), colour, cloth(rng, 0.4))
        return -1.45
    high = rng.uniform(1.2, 1.5)
    crown = ellipse(pose, 0, 0, 1.07, high) * above(pose, line, 0.12 * pose.facing)
    paint(light, crown, colour, folds * rounded(pose, 0, -0.3, 1.1, 1.2, depth=float(rng.uniform(0.1, 0.5))))
    if kind == "hat":
        brim = ellipse(pose, 0, line, rng.uniform(1.5, 2.1), rng.uniform(0.2, 0.45))
        paint(light, brim, colour, folds)
    elif pose.ahead > -0.5:
        brim = ellipse(pose, 1.05 * pose.facing, line + 0.12, 0.55 + 0.45 * max(0.0, pose.ahead), rng.uniform(0.12, 0.3))
        paint(light, brim, any_colour(rng) if chance(rng, 0.3) else colour, 0.7)
    return -float(high)


def _paint_of(rng: Rng) -> Tint:
    b, g, r = (
        np.array(_PAINTS[int(rng.choice(len(_PAINTS), p=_PAINT_FREQUENCIES))]) * np.exp(rng.normal(0, 0.3)) + rng.uniform(0, 0.02)
    ).tolist()
    return b, g, r


def _opening(rng: Rng, pose: HeadPose, kind: str) -> np.ndarray:
    """Where the face, or the visor, shows."""
    if kind == "half":
        return np.zeros_like(ellipse(pose, 0, 0, 1, 1))
    if kind == "open":
        return _face_mask(pose, rng.uniform(0.92, 1.05), rng.uniform(1.0, 1.2)) * (1 - above(pose, rng.uniform(-0.6, -0.25)))
    low, high = rng.uniform(0.3, 0.6), rng.uniform(-0.65, -0.35)
    return _face_mask(pose, rng.uniform(1.0, 1.15), 1.3) * above(pose, low) * (1 - above(pose, high))


def _visor(rng: Rng, light: Light, pose: HeadPose, opening: np.ndarray, kind: str) -> None:
    """Dark, mirrored or clear; up or down."""
    if kind == "half" or not chance(rng, 0.85 if kind == "full" else 0.5):
        return
    glass: Tint = (0.015, 0.012, 0.01) if chance(rng, 0.6) else any_colour(rng)
    share = np.float32(rng.uniform(0.75, 1.0) if chance(rng, 0.6) else rng.uniform(0.1, 0.5))
    down = opening if kind == "full" else opening * above(pose, rng.uniform(0.2, 0.8))
    paint(light, down * share, glass, rounded(pose, 0, 0, 1.2, 1.2, depth=0.5))
    if chance(rng, 0.5):
        band = above(pose, rng.uniform(-0.3, 0.2), rng.normal(0, 0.2)) * (1 - above(pose, rng.uniform(-0.6, -0.3)))
        light += (down * band)[..., None] * np.float32(rng.uniform(0.03, 0.6))


def _graphics(rng: Rng, light: Light, pose: HeadPose, shell: np.ndarray, shade: np.ndarray) -> None:
    for _ in range(int(rng.integers(1, 4))):
        if chance(rng, 0.4):
            x, slope = rng.uniform(-0.9, 0.9), rng.normal(0, 0.6)
            wide = rng.uniform(0.08, 0.4)
            shape = polygon(pose, [(x, -1.5), (x + wide, -1.5), (x + wide + slope, 1.3), (x + slope, 1.3)])
        else:
            corners = [(float(rng.uniform(-1.2, 1.2)), float(rng.uniform(-1.3, 1.0))) for _ in range(int(rng.integers(3, 6)))]
            shape = polygon(pose, corners)
        paint(light, shell * shape, _paint_of(rng) if chance(rng, 0.5) else any_colour(rng), shade)


def _peak(rng: Rng, light: Light, pose: HeadPose, y: float, along: float) -> None:
    if pose.ahead < -0.4:
        return
    middle = 1.1 * pose.facing
    shape = ellipse(pose, middle, y - 0.45 * along, 0.5 + 0.45 * max(0.0, pose.ahead), rng.uniform(0.1, 0.22), float(rng.normal(0, 8)))
    paint(light, shape, _paint_of(rng))
