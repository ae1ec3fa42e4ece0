"""The film of a moment: frames at reduced size, for the reviewer's eye.

The stage has decoded every frame at half size to look for vehicles. The last seconds of these pictures are kept, because decoding them
again for each violation costs more than the film itself. After a restart, when they are gone, they are decoded from the ring.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import cv2

from etle.media.video import encode_clip
from etle.types import Clip, EvidenceFile, Frame, digest_of
from pipeline.frames.decode import HALF_FROM_PX, decode

if TYPE_CHECKING:
    from etle.types import Image

_FPS: Final = 15.0
_SLACK_S: Final = 2.0
"""Findings become due a little after their post-roll."""


@dataclass(slots=True)
class ClipRecorder:
    """`span_s` of pictures at most `width` wide: at 10 frames a second and 960 x 540 some 120 MB a camera."""

    span_s: float
    width: int
    _kept: dict[int, tuple[datetime, "Image"]] = field(default_factory=dict)

    def keep(self, frame: Frame, image: "Image") -> None:
        """`image` is the frame, decoded at half size if it is large. Kept as it is; nobody may write into it."""
        if image.shape[1] != self._size(frame)[0]:
            return
        oldest = frame.captured_at - timedelta(seconds=self.span_s + _SLACK_S)
        for sequence in [number for number, (at, _) in self._kept.items() if not oldest <= at <= frame.captured_at]:
            del self._kept[sequence]
        self._kept[frame.sequence] = frame.captured_at, image

    def of(self, frames: Sequence[Frame]) -> tuple[Clip, EvidenceFile]:
        """The same frames give the same film, kept or decoded anew."""
        shown = _thinned(frames)
        seconds = (shown[-1].captured_at - shown[0].captured_at).total_seconds()
        rate = (len(shown) - 1) / seconds if seconds > 0 else 1.0
        width, height = self._size(shown[0])
        data = encode_clip([self._image(frame) for frame in shown], rate, width, height)
        ends_at, digest = shown[-1].captured_at + timedelta(seconds=1 / rate), digest_of(data)
        clip = Clip(starts_at=shown[0].captured_at, ends_at=ends_at, width=width, height=height, sha256=digest)
        return clip, EvidenceFile(sha256=digest, suffix=".mp4", data=data)

    def _image(self, frame: Frame) -> "Image":
        if frame.sequence in self._kept:
            return self._kept[frame.sequence][1]
        width, height = self._size(frame)
        image = decode(frame, halved=max(frame.width, frame.height) >= max(HALF_FROM_PX, 2 * width))
        if image.shape[:2] == (height, width):
            return image
        small: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return small

    def _size(self, frame: Frame) -> tuple[int, int]:
        """Even sides: 4:2:0 knows no others."""
        width = min(self.width, frame.width) // 2 * 2
        return width, round(frame.height * width / frame.width) // 2 * 2


def _thinned(frames: Sequence[Frame]) -> list[Frame]:
    kept = list(frames[:1])
    for frame in frames[1:]:
        if (frame.captured_at - kept[-1].captured_at).total_seconds() > 1 / _FPS - 0.01:
            kept.append(frame)
    return kept
