"""From the rendered picture to the video file: lens blur, sensor noise, a time stamp in the picture, H.264."""

from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from simulator.layout import FPS

Picture = NDArray[np.uint8]
BLUR_SIGMA_PX = 0.55
GREY_NOISE, COLOUR_NOISE = 2.0, 0.9


class Sensor:
    """Adds blur, noise and a time stamp. The same seed and the same order of pictures give the same results."""

    def __init__(self, width: int, height: int, seed: int, label: str) -> None:
        self._rng = np.random.default_rng(seed)
        # Generating two million normal numbers takes longer than rendering, so a few noise pictures are shifted at random.
        grey = self._rng.normal(0, GREY_NOISE, (4, height, width, 1))
        self._noise = (grey + self._rng.normal(0, COLOUR_NOISE, (4, height, width, 3))).astype(np.float32)
        self._light = np.empty((height, width, 3), np.float32)
        """One buffer for all pictures: memory that is new for each of them costs more time than the sums."""
        self._label = label
        self._font = ImageFont.truetype("DejaVuSans-Bold.ttf", round(height / 40))
        self._scale = height / 1080

    def expose(self, scene: Picture, at: datetime) -> Picture:
        light = self._light
        np.copyto(light, cv2.GaussianBlur(scene, (0, 0), BLUR_SIGMA_PX * max(self._scale, 0.5)))
        noise = self._noise[self._rng.integers(len(self._noise))]
        down, right = (int(n) for n in self._rng.integers(0, noise.shape[:2]))
        light[down:, right:] += noise[: noise.shape[0] - down, : noise.shape[1] - right]
        light[down:, :right] += noise[: noise.shape[0] - down, noise.shape[1] - right :]
        light[:down, right:] += noise[noise.shape[0] - down :, : noise.shape[1] - right]
        light[:down, :right] += noise[noise.shape[0] - down :, noise.shape[1] - right :]
        return self._caption(np.clip(light, 0, 255, out=light).astype(np.uint8), at)

    def _caption(self, picture: Picture, at: datetime) -> Picture:
        text = f"{self._label}  {at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100000}"
        tall = round(44 * self._scale)
        top = picture.shape[0] - tall - round(8 * self._scale)
        strip = Image.fromarray(picture[top : top + tall])
        place = (round(24 * self._scale), round(6 * self._scale))
        ImageDraw.Draw(strip).text(place, text, (255, 255, 255), self._font, stroke_width=2, stroke_fill=(0, 0, 0))
        picture[top : top + tall] = np.asarray(strip)
        return picture


class EncodedClip:
    """An MP4 file that is written frame by frame."""

    def __init__(self, path: Path, width: int, height: int, crf: int, *, preset: str = "slow") -> None:
        """`preset`: of x264; slower ones make smaller files."""
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream("libx264", rate=FPS)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = {"crf": str(crf), "preset": preset, "threads": "1", "g": "50"}
        self._stream.codec_context.time_base = Fraction(1, FPS)
        self._count = 0

    def add(self, picture: Picture) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = self._count
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()


def clock(starts_at: str, seconds: float) -> datetime:
    return datetime.fromisoformat(starts_at) + timedelta(seconds=seconds)
