"""Measures the lamp reader on labelled heads, with boxes as people draw them: tight, larger, shifted, and small in the picture.

Crops have little or no margin; their edge is repeated around them, so that a larger or shifted box stays inside the picture.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2

from etle.errors import ConfigError
from etle.types import Box, Lamp
from pipeline.evaluation.lamp_heads import LampSample

if TYPE_CHECKING:
    from etle.protocols import LampReader
    from etle.types import Image

_NARROW_PX: Final = 5.0
_SHIFTS: Final = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""A shifted box is tried to all four sides at once: each head counts four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LampCounts:
    """Readings of one variant."""

    n: int = 0
    right: int = 0
    unknown: int = 0
    """A lamp is lit, and none was told."""
    red_where_not_red: int = 0

    @property
    def wrong(self) -> int:
        return self.n - self.right - self.unknown

    def with_reading(self, truth: Lamp, told: Lamp) -> "LampCounts":
        return LampCounts(
            n=self.n + 1,
            right=self.right + (told is truth),
            unknown=self.unknown + (told is Lamp.UNKNOWN and told is not truth),
            red_where_not_red=self.red_where_not_red + (told is Lamp.RED and told is not truth),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LampReport:
    variants: Mapping[str, LampCounts]
    sources: Mapping[str, Mapping[str, LampCounts]]
    """By source and variant."""


Progress = Callable[[Sequence[LampSample], str], Iterator[LampSample]]


def evaluate_lamps(heads: Sequence[LampSample], reader: "LampReader", progress: Progress) -> LampReport:
    """Raises ConfigError for a picture that cannot be read, InferenceError."""
    variants, sources = dict.fromkeys(VARIANTS, LampCounts()), {head.source: dict.fromkeys(VARIANTS, LampCounts()) for head in heads}
    for head in progress(heads, "heads"):
        image, box = _padded(head)
        for name, drawn in VARIANTS.items():
            for picture, drawn_box in drawn(image, box):
                told, _ = reader.read(picture, drawn_box, head.order)
                for counts in (variants, sources[head.source]):
                    counts[name] = counts[name].with_reading(head.lamp, told)
    return LampReport(variants=variants, sources=sources)


def as_json(report: LampReport) -> dict[str, object]:
    return {
        "variants": {name: _as_json(counts) for name, counts in report.variants.items()},
        "sources": {source: {name: _as_json(counts) for name, counts in each.items()} for source, each in sorted(report.sources.items())},
    }


def _as_json(counts: LampCounts) -> dict[str, float]:
    rates = {name: round(getattr(counts, name) / counts.n, 5) for name in ("right", "unknown", "wrong")}
    return {"n": counts.n, **rates, "red_where_not_red": counts.red_where_not_red}


def _padded(head: LampSample) -> "tuple[Image, Box]":
    """The picture with its edge repeated over its own width and height at each side, and the box of the housing in it."""
    image: Image | None = cv2.imread(str(head.path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{head.path} is not a picture")
    height, width = image.shape[:2]
    box = head.box or Box(0.0, 0.0, float(width), float(height))
    padded: Image = cv2.copyMakeBorder(image, height, height, width, width, cv2.BORDER_REPLICATE)
    return padded, Box(box.x1 + width, box.y1 + height, box.x2 + width, box.y2 + height)


def _larger(by: float) -> "Variant":
    def draw(image: "Image", box: Box) -> "Iterator[tuple[Image, Box]]":
        across, along = by * box.width, by * box.height
        yield image, Box(box.x1 - across, box.y1 - along, box.x2 + across, box.y2 + along)

    return draw


def _shifted(by: float) -> "Variant":
    def draw(image: "Image", box: Box) -> "Iterator[tuple[Image, Box]]":
        for right, down in _SHIFTS:
            x, y = right * by * box.width, down * by * box.height
            yield image, Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)

    return draw


def _narrow(image: "Image", box: Box) -> "Iterator[tuple[Image, Box]]":
    """The picture scaled so that the head is 5 pixels across."""
    scale = min(1.0, _NARROW_PX / min(box.width, box.height))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    x, y = size[0] / image.shape[1], size[1] / image.shape[0]
    yield small, Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y)


Variant = Callable[["Image", Box], "Iterator[tuple[Image, Box]]"]
VARIANTS: Final[Mapping[str, Variant]] = {
    "tight": _larger(0.0),
    "larger_15": _larger(0.15),
    "larger_30": _larger(0.30),
    "shifted_10": _shifted(0.10),
    "shifted_20": _shifted(0.20),
    "narrow_5px": _narrow,
}
"""The pictures and boxes to read, from a picture and the box of the housing in it."""
