"""The seams. Each has one implementation for the road and one for tests (`etle.testing`).

Engines take batches (`Sequence`) and answer in the same order and length. They raise `InferenceError` when they cannot look.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from etle.types import (
    Box,
    Case,
    CaseCounts,
    Decision,
    Detection,
    Digest,
    EvidenceFile,
    Frame,
    Lamp,
    PlateBox,
    PlateRead,
    ReviewerTally,
    Verdict,
    Violation,
    ViolationId,
    ViolationMessage,
)

if TYPE_CHECKING:
    from etle.types import Image


class Clock(Protocol):
    """Where a stage gets its time from; tests bring their own."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class FrameSource(Protocol):
    """A camera, a video or a folder."""

    live: bool
    """True if it goes on whether or not it is read: such a source drops the oldest and counts it. False: it waits."""

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Frames in order. `after` leaves out those up to and including that sequence, where the source can be read again.

        Raises SourceUnavailable or SourceBroken, after every frame that could be read was given.
        """
        ...


class VehicleDetector(Protocol):
    name: str
    digest: Digest

    def detect(self, images: Sequence["Image"]) -> Sequence[tuple[Detection, ...]]:
        """Vehicles in each image, boxes in that image's own pixels."""
        ...


class PlateDetector(Protocol):
    name: str
    digest: Digest

    def detect_crops(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        """Plates in each crop of one vehicle at full resolution, highest score first, boxes in pixels of the crop."""
        ...

    def detect_frames(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        """Plates in each whole frame, highest score first, boxes in pixels of the frame. Slower: searches at several scales."""
        ...


class PlateReader(Protocol):
    name: str
    digest: Digest

    def read(self, crops: Sequence["Image"]) -> Sequence[PlateRead]:
        """The main line of each plate crop, and colour and expiry where the reader can."""
        ...


class LampReader(Protocol):
    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        """What the signal in box `head` (pixels of `image`) shows and how sure, 0 to 1. UNKNOWN if it cannot be told."""
        ...


class EvidenceStore(Protocol):
    """Files named by their digest, never overwritten."""

    def put(self, data: bytes, suffix: str) -> Digest:
        """Durable when it returns. The same bytes twice are one file. Raises EvidenceFull, StoreUnavailable."""
        ...

    def get(self, digest: Digest) -> bytes:
        """Raises KeyError if there is none, EvidenceCorrupt if the bytes have another digest."""
        ...

    def digests(self) -> Iterator[Digest]:
        """Every file that is there."""
        ...


class ViolationSink(Protocol):
    """Where finished violations go."""

    def put(self, parcel: ViolationMessage) -> bool:
        """Safe when it returns: False if it was there already."""
        ...


class CheckpointStore(Protocol):
    """How far each camera's frames are done with, together with what the stage must remember to go on from there."""

    def save(self, stream: str, position: int, state: bytes) -> None:
        """`position` is the last sequence that is no longer needed; `state` the stage's memory just after it."""
        ...

    def load(self, stream: str) -> tuple[int, bytes] | None: ...


class CaseStore(Protocol):
    """Violations, what was decided about them, and the queue that deals the open ones out. Raises StoreUnavailable."""

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        """The violation and the names of its files, both or neither. False, and nothing done, if it was there already."""
        ...

    def case(self, violation: ViolationId) -> Case | None: ...

    def cases(
        self,
        *,
        state: Verdict | Literal["open"] | None = None,
        rule: str | None = None,
        camera: str | None = None,
        plate: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: ViolationId | None = None,
    ) -> Sequence[Case]:
        """Those that fit, latest first by the moment of the violation; `after` goes on behind that case.

        `plate` finds a part of the text as read, or as the last decision left it. `since` is inside the range, `until` is not.
        """
        ...

    def counts(self) -> CaseCounts: ...

    def take_next(self, reviewer: str, now: datetime, lease_s: float = 900) -> Case | None:
        """The case that this reviewer has, else the oldest open one that nobody has; None if there is none.

        It is theirs for `lease_s`; after that it stays theirs only until somebody else is given it.
        """
        ...

    def assigned(self, reviewer: str) -> Case | None:
        """The open case that this reviewer has."""
        ...

    def release(self, reviewer: str) -> None:
        """Gives back to the queue what this reviewer has."""
        ...

    def decide(self, decision: Decision) -> None:
        """Adds a decision; a later one on the same case supersedes it. Verdicts are only ever added.

        Raises KeyError if there is no such case, CaseTaken if another reviewer has it.
        """
        ...

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        """Oldest first."""
        ...

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        """The cases that this reviewer has decided since then, the last decided first."""
        ...

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally: ...
