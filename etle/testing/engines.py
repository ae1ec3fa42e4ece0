"""Models that say what a test wrote down for them, picture after picture, whatever is on the pictures.

A script that has come to its end raises: a silent "nothing there" would let a test pass that looked at more pictures than it thinks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from etle.errors import InferenceError
from etle.types import Box, Detection, Digest, Lamp, PlateBox, PlateRead, digest_of

if TYPE_CHECKING:
    from etle.types import Image

T = TypeVar("T")


class Script(Generic[T]):
    """Answers in order. An answer that is an InferenceError is raised in its turn."""

    def __init__(self, name: str, answers: Sequence[T | InferenceError]) -> None:
        self.name = name
        self.digest: Digest = digest_of(name.encode())
        self._answers = tuple(answers)
        self.asked = 0
        """For how many pictures it was asked."""

    def next(self) -> T:
        self.asked += 1
        if self.asked > len(self._answers):
            raise InferenceError(f"the script of {self.name} has {len(self._answers)} answers, and this is picture {self.asked}")
        answer = self._answers[self.asked - 1]
        if isinstance(answer, InferenceError):
            raise answer
        return answer


class ScriptedDetector(Script[tuple[Detection, ...]]):
    def __init__(self, answers: Sequence[tuple[Detection, ...] | InferenceError], name: str = "scripted-detector") -> None:
        super().__init__(name, answers)

    def detect(self, images: Sequence["Image"]) -> Sequence[tuple[Detection, ...]]:
        return [self.next() for _ in images]


class ScriptedPlateDetector(Script[tuple[PlateBox, ...]]):
    def __init__(self, answers: Sequence[tuple[PlateBox, ...] | InferenceError], name: str = "scripted-finder") -> None:
        super().__init__(name, answers)

    def find(self, images: Sequence["Image"], *, whole: bool = False) -> Sequence[tuple[PlateBox, ...]]:
        return [self.next() for _ in images]


class ScriptedReader(Script[PlateRead]):
    def __init__(self, answers: Sequence[PlateRead | InferenceError], name: str = "scripted-reader") -> None:
        super().__init__(name, answers)

    def read(self, crops: Sequence["Image"]) -> Sequence[PlateRead]:
        return [self.next() for _ in crops]


class ScriptedLamps(Script[Lamp]):
    """Sure of each lamp, and of UNKNOWN not at all."""

    def __init__(self, answers: Sequence[Lamp | InferenceError], name: str = "scripted-lamps") -> None:
        super().__init__(name, answers)

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        lamp = self.next()
        return lamp, 0.0 if lamp is Lamp.UNKNOWN else 1.0
