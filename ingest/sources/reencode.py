"""Encodes pictures again, with another quality or a smaller size, before their digest is taken; only where the site file asks for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from etle.errors import FrameBroken
from etle.media.jpeg import size_of
from etle.protocols import FrameSource
from etle.types import Frame, Quality, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.live_buffer import Closable

if TYPE_CHECKING:
    from etle.media.video import JpegEncoder

QUANTISERS: Final = {Quality.FINE: 2, Quality.NORMAL: 3, Quality.SMALL: 5, Quality.SMALLEST: 8}
"""MJPEG quantiser of each quality. Measured in docs/ingest.md: up to 5 every plate that was legible before is read, at 8 some are not."""


@dataclass(frozen=True, slots=True)
class ReencodeSettings:
    """Settings of the site file. Without any of them pictures are not changed."""

    quality: Quality | None = None
    max_width: int | None = None

    @property
    def enabled(self) -> bool:
        return self.quality is not None or self.max_width is not None

    def encoder(self) -> "JpegEncoder":
        """Raises MissingExtra without PyAV."""
        from etle.media.video import JpegEncoder

        return JpegEncoder(None if self.quality is None else QUANTISERS[self.quality], self.max_width)


def reencoded(source: FrameSource, settings: ReencodeSettings, losses: FrameLossCounter) -> FrameSource:
    """`source` with its pictures encoded again, or `source` itself if the settings do not ask for it."""
    return ReencodingSource(source, settings, losses) if settings.enabled else source


class ReencodingSource:
    """Encodes another source's JPEGs again. A picture that cannot be decoded is counted; its number is then missing."""

    def __init__(self, source: FrameSource, settings: ReencodeSettings, losses: FrameLossCounter) -> None:
        self.live = source.live
        self._source = source
        self._encoder = settings.encoder()
        self._losses = losses

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in self._source.frames(after):
            reencoded_frame = self._reencode(frame)
            if reencoded_frame is not None:
                yield reencoded_frame

    def close(self) -> None:
        if isinstance(self._source, Closable):
            self._source.close()

    def _reencode(self, frame: Frame) -> Frame | None:
        from etle.media.video import jpeg_of

        if self._encoder.keeps(frame.width):
            return frame
        try:
            data = jpeg_of(frame.jpeg, self._encoder)
        except FrameBroken as error:
            self._losses.count(frame.camera, LossReason.UNDECODABLE, str(error))
            return None
        size = size_of(data)
        return replace(frame, jpeg=data, sha256=digest_of(data), width=size.width, height=size.height)
