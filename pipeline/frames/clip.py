"""The video clip of a violation, at reduced size, for the reviewer.

The stage decodes every frame at half size to detect vehicles. The last seconds of these pictures are kept: decoding the frames again for
each violation takes longer than encoding the clip. After a restart the frames in the buffer are decoded.
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
"""A finding may become due this much later than the end of its post-roll."""


@dataclass(slots=True)
class ClipRecorder:
    """Keeps `span_s` of pictures at most `width` wide: about 120 MB a camera at 10 frames a second and 960 x 540."""

    span_s: float
    width: int
    _pictures: dict[int, tuple[datetime, "Image"]] = field(default_factory=dict)

    def add(self, frame: Frame, image: "Image") -> None:
        """`image` is the decoded frame, uint8, BGR, halved if the frame is large. It is kept without a copy: do not write into it."""
        if image.shape[1] != self._size(frame)[0]:
            return
        oldest = frame.captured_at - timedelta(seconds=self.span_s + _SLACK_S)
        for sequence in [number for number, (at, _) in self._pictures.items() if not oldest <= at <= frame.captured_at]:
            del self._pictures[sequence]
        self._pictures[frame.sequence] = frame.captured_at, image

    def clip(self, frames: Sequence[Frame]) -> tuple[Clip, EvidenceFile]:
        """Encodes the frames. The bytes are the same whether the pictures were kept or are decoded again. Raises FrameBroken."""
        shown = _at_most(_FPS, frames)
        seconds = (shown[-1].captured_at - shown[0].captured_at).total_seconds()
        rate = (len(shown) - 1) / seconds if seconds > 0 else 1.0
        width, height = self._size(shown[0])
        data = encode_clip([self._picture(frame) for frame in shown], rate, width, height)
        ends_at, digest = shown[-1].captured_at + timedelta(seconds=1 / rate), digest_of(data)
        clip = Clip(
            starts_at=shown[0].captured_at,
            ends_at=ends_at,
            width=width,
            height=height,
            sha256=digest,
            offsets_s=tuple((frame.captured_at - shown[0].captured_at).total_seconds() for frame in shown),
        )
        return clip, EvidenceFile(sha256=digest, suffix=".mp4", data=data)

    def _picture(self, frame: Frame) -> "Image":
        if frame.sequence in self._pictures:
            return self._pictures[frame.sequence][1]
        width, height = self._size(frame)
        image = decode(frame, halved=max(frame.width, frame.height) >= max(HALF_FROM_PX, 2 * width))
        if image.shape[:2] == (height, width):
            return image
        small: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return small

    def _size(self, frame: Frame) -> tuple[int, int]:
        """Width and height, both even, as the 4:2:0 pixel format requires."""
        width = min(self.width, frame.width) // 2 * 2
        return width, round(frame.height * width / frame.width) // 2 * 2


def _at_most(fps: float, frames: Sequence[Frame]) -> list[Frame]:
    """The frames, thinned out to that rate."""
    kept = list(frames[:1])
    for frame in frames[1:]:
        if (frame.captured_at - kept[-1].captured_at).total_seconds() > 1 / fps - 0.01:
            kept.append(frame)
    return kept
