"""Footage on which costs are measured: frames of another size, and frames on which nothing moves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2

from etle.clock import seconds_between
from etle.config.site import CameraSettings
from etle.config.strict_yaml import validate
from etle.types import Frame, digest_of
from pipeline.frames.decode import decode

_QUALITY = 85
"""Of JPEGs that are written anew in another size."""
_JITTER = 0.2
"""Of the intervals between frames, as a share of one."""
_PIXELS = {"px", "head", "heads", "points", "beyond", "polygon", "along"}
"""Keys of a camera whose values are positions in the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFootage:
    """The frames of one camera, and what reading them cost."""

    camera: CameraSettings
    frames: Sequence[Frame]
    read_s: float
    """CPU time of the source for all of them."""


def resized_camera(camera: CameraSettings, width: int, height: int) -> CameraSettings:
    """The same drawings on frames of another size."""
    factors = width / camera.frame_size[0], height / camera.frame_size[1]
    document = {key: _scaled(getattr(camera, key), factors) for key in ("ground_points", "signals", "lines", "lanes")}
    known = {key: getattr(camera, key) for key in camera.model_fields_set}
    return validate({**known, **document, "frame_size": (width, height)}, CameraSettings, f"camera {camera.id} in {width}x{height}")


def resized(frame: Frame, width: int, height: int) -> Frame:
    image = cv2.resize(decode(frame), (width, height), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return replace(frame, jpeg=jpeg, sha256=digest_of(jpeg), width=width, height=height)


def still(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The first frame with the times of all: nothing moves."""
    return [replace(frames[0], sequence=each.sequence, captured_at=each.captured_at, received_at=each.received_at) for each in frames]


def frame_rate(frames: Sequence[Frame]) -> float:
    """Frames per second, by their times of capture."""
    return (len(frames) - 1) / seconds_between(frames[0].captured_at, frames[-1].captured_at)


def thinned(frames: Sequence[Frame], fps: float) -> Sequence[Frame]:
    """About `fps` frames of each second; all of them if there are not more."""
    kept: dict[int, Frame] = {}
    for frame in frames:
        number = int(seconds_between(frames[0].captured_at, frame.captured_at) * fps + _JITTER)
        kept.setdefault(number, frame)
    return list(kept.values())


def thinned_footage(footage: CameraFootage, fps: float) -> CameraFootage:
    """With at most `fps` frames per second; reading costs what it cost, for each frame that was read."""
    frames = thinned(footage.frames, fps)
    return replace(footage, frames=frames, read_s=footage.read_s * len(frames) / len(footage.frames))


def resized_footage(footage: CameraFootage, width: int | None, height: int | None) -> CameraFootage:
    """In another size; without one of the sides with the same proportions. The cost of reading grows with the number of pixels."""
    own_width, own_height = footage.camera.frame_size
    new_width = width or round(own_width * (height or own_height) / own_height)
    new_height = height or round(own_height * new_width / own_width)
    return CameraFootage(
        camera=resized_camera(footage.camera, new_width, new_height),
        frames=[resized(frame, new_width, new_height) for frame in footage.frames],
        read_s=footage.read_s * new_width * new_height / (own_width * own_height),
    )


def _scaled(value: Any, factors: tuple[float, float], pixels: bool = False) -> Any:
    """Numbers below a key of `_PIXELS` alternate between x and y."""
    if hasattr(value, "model_fields_set"):
        return {key: _scaled(getattr(value, key), factors, key in _PIXELS) for key in value.model_fields_set}
    if isinstance(value, tuple):
        if pixels and value and isinstance(value[0], int | float):
            return [number * factors[place % 2] for place, number in enumerate(value)]
        return [_scaled(each, factors, pixels) for each in value]
    return value
