"""How pictures are made where they are not to stay as they came: encoded once more, or smaller, before their digest is taken."""

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
"""docs/ingest.md measures them: down to 5 every plate is read that was legible before, at 8 some are not."""


@dataclass(frozen=True, slots=True)
class ReencodeSettings:
    """As the site file says it; nothing of it means: as they came."""

    quality: Quality | None = None
    max_width: int | None = None

    @property
    def touches(self) -> bool:
        return self.quality is not None or self.max_width is not None

    def encoder(self) -> "JpegEncoder":
        """Raises MissingExtra without PyAV."""
        from etle.media.video import JpegEncoder

        return JpegEncoder(None if self.quality is None else QUANTISERS[self.quality], self.max_width)


def reencoded(source: FrameSource, making: ReencodeSettings, losses: FrameLossCounter) -> FrameSource:
    """The source itself if its pictures are to stay unchanged."""
    return ReencodingSource(source, making, losses) if making.touches else source


class ReencodingSource:
    """Another source's JPEGs, made anew. What cannot be decoded is counted; its number stays a gap."""

    def __init__(self, source: FrameSource, making: ReencodeSettings, losses: FrameLossCounter) -> None:
        self.live = source.live
        self._source = source
        self._encoder = making.encoder()
        self._losses = losses

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in self._source.frames(after):
            made = self._made(frame)
            if made is not None:
                yield made

    def close(self) -> None:
        if isinstance(self._source, Closable):
            self._source.close()

    def _made(self, frame: Frame) -> Frame | None:
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
