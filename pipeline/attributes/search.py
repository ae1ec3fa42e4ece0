"""Classifies a part of one vehicle, such as its windscreen, in its best frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etle.protocols import AttributeClassifier
from etle.types import Box, Frame, Sighting, Track
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.clear_view import is_clear
from pipeline.frames.decode import decode
from pipeline.plates.frame_selection import best_first
from pipeline.scene.attributes import AttributeView

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True)
class AttributeSearch:
    """`classifiers`: by their name in the catalogue. `max_frames`: maximum number of frames to search for one vehicle."""

    classifiers: Mapping[str, AttributeClassifier]
    max_frames: int = 6
    decode: "Callable[[Frame], Image]" = decode

    def search(self, track: Track, others: Sequence[Track], frames: FrameBuffer, classifier: str, area: Box) -> tuple[AttributeView, ...]:
        """In order of time. `area`: as fractions of the vehicle's box. Raises FrameBroken, InferenceError."""
        views = [
            self._view(sighting, frame, others, self.classifiers[classifier], area)
            for sighting, frame in best_first(track, frames, self.max_frames)
        ]
        return tuple(sorted(views, key=lambda view: view.sequence))

    def _view(self, sighting: Sighting, frame: Frame, others: Sequence[Track], classifier: AttributeClassifier, area: Box) -> AttributeView:
        image = self.decode(frame)
        beside = [each.box for track in others for each in track.sightings if each.sequence == sighting.sequence]
        (read,) = classifier.classify([part_of(image, sighting.box, area)])
        return AttributeView(
            sequence=sighting.sequence,
            width_px=sighting.box.width,
            clear=is_clear(sighting.box, beside, image.shape[:2]),
            read=read,
        )


def part_of(image: "Image", box: Box, area: Box) -> "Image":
    """The part of the vehicle's box, inside the image; one pixel at least."""
    height, width = image.shape[:2]
    x1, x2 = (min(max(0, round(box.x1 + edge * box.width)), width - 1) for edge in (area.x1, area.x2))
    y1, y2 = (min(max(0, round(box.y1 + edge * box.height)), height - 1) for edge in (area.y1, area.y2))
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
