"""Models with scripted answers, one per image; the image content is ignored.

A script without answers left raises, because an empty result would hide that a test passed more images than it expects.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from etle.errors import InferenceError
from etle.geometry import box_contains
from etle.types import Box, Detection, Digest, Lamp, LocatedHead, PlateBox, PlateRead, RiderHead, digest_of

if TYPE_CHECKING:
    from etle.types import Image

T = TypeVar("T")


class ScriptedAnswers(Generic[T]):
    """Returns the answers in order. An answer that is an InferenceError is raised instead."""

    def __init__(self, name: str, answers: Sequence[T | InferenceError]) -> None:
        self.name = name
        self.digest: Digest = digest_of(name.encode())
        self._answers = tuple(answers)
        self.images_seen = 0
        """Number of images it was given."""

    def next(self) -> T:
        self.images_seen += 1
        if self.images_seen > len(self._answers):
            raise InferenceError(f"the script of {self.name} has {len(self._answers)} answers, but was given image {self.images_seen}")
        answer = self._answers[self.images_seen - 1]
        if isinstance(answer, InferenceError):
            raise answer
        return answer


class ScriptedDetector(ScriptedAnswers[tuple[Detection, ...]]):
    def __init__(self, answers: Sequence[tuple[Detection, ...] | InferenceError], name: str = "scripted-detector") -> None:
        super().__init__(name, answers)

    def detect(self, images: Sequence["Image"]) -> Sequence[tuple[Detection, ...]]:
        return [self.next() for _ in images]

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        return self.next()


class ScriptedPlateDetector(ScriptedAnswers[tuple[PlateBox, ...]]):
    def __init__(self, answers: Sequence[tuple[PlateBox, ...] | InferenceError], name: str = "scripted-plate-detector") -> None:
        super().__init__(name, answers)

    def detect_crops(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        return [self.next() for _ in images]

    def detect_frames(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        return [self.next() for _ in images]


class ScriptedReader(ScriptedAnswers[PlateRead]):
    def __init__(self, answers: Sequence[PlateRead | InferenceError], name: str = "scripted-reader") -> None:
        super().__init__(name, answers)

    def read(self, crops: Sequence["Image"]) -> Sequence[PlateRead]:
        return [self.next() for _ in crops]


class ScriptedLamps(ScriptedAnswers[Lamp]):
    """Score 1 for each lamp, and 0 for UNKNOWN."""

    def __init__(self, answers: Sequence[Lamp | InferenceError], name: str = "scripted-lamps") -> None:
        super().__init__(name, answers)

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        lamp = self.next()
        return lamp, 0.0 if lamp is Lamp.UNKNOWN else 1.0

    def locate(self, image: "Image", head: Box, order: Sequence[Lamp]) -> LocatedHead:
        """In the drawn box."""
        lamp, score = self.read(image, head, order)
        return LocatedHead(lamp=lamp, score=score, box=head)


class FixedHeadReader:
    """The same heads in every image, as far as their middle is in the area that is searched."""

    def __init__(self, heads: Sequence[RiderHead] = (), name: str = "fixed-heads") -> None:
        self.name = name
        self.digest: Digest = digest_of(name.encode())
        self._heads = tuple(sorted(heads, key=lambda head: -head.found))

    def find(self, image: "Image", area: Box, head_px: float) -> Sequence[RiderHead]:
        return tuple(head for head in self._heads if box_contains(area, head.box.centre))
