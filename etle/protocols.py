"""Protocols between the stages. Each has a production implementation and a fake for tests (`etle.testing`).

Engines take batches (`Sequence`) and return results of the same length and order. They raise `InferenceError` if inference fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypedDict, Unpack

from etle.types import (
    AttributeRead,
    Box,
    CameraId,
    Case,
    CaseCounts,
    CaseOrder,
    CaseSummary,
    Decision,
    Detection,
    Digest,
    EvidenceFile,
    Frame,
    Lamp,
    LetterDeadlinePeriod,
    LocatedHead,
    PersonBox,
    PlateBox,
    PlateRead,
    Proposal,
    ReviewerTally,
    RiderHead,
    Verdict,
    Violation,
    ViolationId,
    ViolationMessage,
)

if TYPE_CHECKING:
    from etle.types import Image


REPEATED_WITHIN: Final = timedelta(seconds=60)
"""Two violations of one rule that a vehicle seems to have committed within it are probably one: footage was looked at twice, or the vehicle
was lost behind another for a while. Nobody comes round the block as fast."""
LEASE_S: Final = 900.0
"""How long a case stays assigned to a reviewer who does nothing, in seconds."""


class Clock(Protocol):
    """Where a stage gets the time from; tests use a manual clock."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class FrameSource(Protocol):
    """A camera, a video or a folder."""

    live: bool
    """True if frames that are not read in time are lost: such a source drops and counts the oldest ones. False: it waits."""

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Frames in order. `after`: a source that can be read again skips the frames up to and including that sequence number.

        Raises SourceUnavailable or SourceBroken after all frames that could be read.
        """
        ...


class VehicleDetector(Protocol):
    name: str
    digest: Digest

    def detect(self, images: Sequence["Image"]) -> Sequence[tuple[Detection, ...]]:
        """Vehicles in each image; boxes in pixels of that image."""
        ...

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        """Vehicles in `part` of the image, at `zoom` times the scale of a search in the whole; boxes in pixels of the image.

        May search more, or at another scale.
        """
        ...


class PersonDetector(Protocol):
    name: str
    digest: Digest

    def detect_persons(self, images: Sequence["Image"]) -> Sequence[tuple[PersonBox, ...]]:
        """Persons in each image, highest score first; boxes in pixels of that image. A person is returned once."""
        ...


class AttributeClassifier(Protocol):
    """Tells what a crop of a vehicle shows, such as a driver with or without a seat belt."""

    name: str
    digest: Digest
    labels: tuple[str, ...]

    def classify(self, crops: Sequence["Image"]) -> Sequence[AttributeRead]: ...


class HeadReader(Protocol):
    name: str
    digest: Digest

    def find(self, image: "Image", area: Box, head_px: float) -> Sequence[RiderHead]:
        """Heads in `area` of the image, surest first; boxes in pixels of the image. `head_px`: their expected size.

        The headgear of a head that is small, covered or unclear is UNKNOWN.
        """
        ...


class PlateDetector(Protocol):
    name: str
    digest: Digest

    def detect_crops(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        """Candidates in each crop of one vehicle at full resolution, highest score first, boxes in pixels of the crop.

        Low scores are included, because those of several searches are fused.
        """
        ...

    def detect_frames(self, images: Sequence["Image"]) -> Sequence[tuple[PlateBox, ...]]:
        """The same in each whole frame, boxes in pixels of the frame. Slower: searches at several scales."""
        ...


class PlateReader(Protocol):
    name: str
    digest: Digest

    def read(self, crops: Sequence["Image"]) -> Sequence[PlateRead]:
        """The main line of each plate crop; colour and expiry if the reader supports them."""
        ...


class LampReader(Protocol):
    name: str
    digest: Digest

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        """The lamp that is lit in box `head` (pixels of `image`), and a score from 0 to 1. UNKNOWN if it cannot be determined."""
        ...

    def locate(self, image: "Image", head: Box, order: Sequence[Lamp]) -> LocatedHead:
        """The signal head near the drawn box `head` (pixels of `image`), and what it shows."""
        ...


class EvidenceStore(Protocol):
    """Files named by their digest and never overwritten."""

    def put(self, data: bytes, suffix: str) -> Digest:
        """Durable when it returns. Storing the same bytes twice gives one file. Raises EvidenceFull, StoreUnavailable."""
        ...

    def get(self, digest: Digest) -> bytes:
        """Raises KeyError if there is no such file, EvidenceCorrupt if its bytes have another digest."""
        ...

    def digests(self) -> Iterator[Digest]:
        """The digests of all files."""
        ...


class ViolationSink(Protocol):
    """Stores finished violations."""

    def put(self, message: ViolationMessage) -> bool:
        """Durable when it returns. False if the violation was stored before."""
        ...


class CheckpointStore(Protocol):
    """The position up to which the frames of each camera are processed, with the state of the stage at that position."""

    def save(self, stream: str, position: int, state: bytes) -> None:
        """`position`: the last sequence number that need not be read again; `state`: the encoded state of the stage."""
        ...

    def load(self, stream: str) -> tuple[int, bytes] | None: ...


class CaseFilters(TypedDict, total=False):
    """Which cases are listed or counted; None, as a missing key, does not filter."""

    state: Verdict | Literal["open"] | None
    rule: str | None
    camera: str | None
    plate: str | None
    """A part of the text as read, or as corrected by the last decision."""
    reviewer: str | None
    """Who made the last decision."""
    since: datetime | None
    """Inclusive."""
    until: datetime | None
    """Exclusive."""


class CaseStore(Protocol):
    """Violations, the decisions on them, and the queue of open cases for reviewers. Raises StoreUnavailable."""

    def add(self, violation: Violation, files: Sequence[EvidenceFile]) -> bool:
        """Add the violation and the names of its files in one transaction. False, without a change, if it was added before."""
        ...

    def has(self, violation: ViolationId) -> bool:
        """Whether the violation was added."""
        ...

    def has_similar(self, violation: Violation) -> bool:
        """Whether another violation of the same plate and rule was added, at the same camera and within `REPEATED_WITHIN`."""
        ...

    def case(self, violation: ViolationId) -> Case | None: ...

    def by_id(self, *violations: ViolationId) -> Mapping[ViolationId, Case]:
        """Those of the cases that exist."""
        ...

    def cases(
        self,
        *,
        order: CaseOrder = CaseOrder.NEWEST,
        limit: int = 100,
        after: ViolationId | None = None,
        before: ViolationId | None = None,
        letters: Sequence[LetterDeadlinePeriod] = (),
        **filters: Unpack[CaseFilters],
    ) -> Sequence[Case]:
        """A page of the cases that match all filters: the first ones, or those just after, or just before, that case.

        `letters`: when letters are due, for the order URGENT, which leaves out the cases that none of them covers.
        """
        ...

    def summaries(
        self,
        *,
        order: CaseOrder = CaseOrder.NEWEST,
        limit: int = 100,
        after: ViolationId | None = None,
        before: ViolationId | None = None,
        letters: Sequence[LetterDeadlinePeriod] = (),
        **filters: Unpack[CaseFilters],
    ) -> Sequence[CaseSummary]:
        """As `cases`, without what a list does not show."""
        ...

    def found(self, *, limit: int = 1000, **filters: Unpack[CaseFilters]) -> int:
        """Number of cases that match all filters, counted up to `limit`."""
        ...

    def cameras(self) -> Mapping[CameraId, str]:
        """Names of the cameras that recorded a case."""
        ...

    def counts(self) -> CaseCounts:
        """Maintained as cases are added and decided: as fast with many cases as with few."""
        ...

    def take_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        """The case assigned to this reviewer, or else the oldest open case that is not assigned; None if there is none.

        The lease lasts `lease_s`; after that the case stays assigned until another reviewer takes it.
        """
        ...

    def reserve_next(self, reviewer: str, now: datetime, lease_s: float = LEASE_S) -> Case | None:
        """Reserve the case that `take_next` will assign to this reviewer after the assigned one. Reserved again, it is the same one.

        None if there is none, or if no case is assigned to the reviewer. A reserved case that expires is given to others.
        """
        ...

    def renew(self, reviewer: str, violation: ViolationId, now: datetime, lease_s: float = LEASE_S) -> bool:
        """Extend the lease of that case, and of the reserved one. False if it is not assigned to this reviewer any more."""
        ...

    def assigned(self, reviewer: str) -> Case | None:
        """The open case assigned to this reviewer."""
        ...

    def release(self, reviewer: str) -> None:
        """Return the case assigned to this reviewer to the queue."""
        ...

    def decide(
        self, decision: Decision, *, known_decisions: int | None = None, any_lease: bool = False, session: str | None = None
    ) -> None:
        """Add a decision, which supersedes earlier ones on the same case. Decisions are never changed or removed.

        `known_decisions`: number of decisions that the reviewer saw; of several calls with the same number, one succeeds. None: no check.
        `any_lease`: also a case that is assigned to another reviewer, as a supervisor may. `session`: digest of the token of the
        reviewer's session, without which a database with separate roles accepts no decision.
        Raises KeyError if there is no such case, CaseTaken if it is assigned to another reviewer, CaseDecided if the number differs.
        """
        ...

    def decisions(self, violation: ViolationId) -> Sequence[Decision]:
        """Oldest first."""
        ...

    def proposals(self, violation: ViolationId) -> Sequence[Proposal]:
        """What promoted runs say of the case, oldest first."""
        ...

    def open_proposals(self, limit: int) -> Sequence[Proposal]:
        """Those for cases that were decided before they were made, and not since; oldest first."""
        ...

    def decided_by(self, reviewer: str, *, since: datetime, limit: int) -> Sequence[Case]:
        """Cases that this reviewer decided since `since`, last decided first."""
        ...

    def tally(self, reviewer: str, *, since: datetime) -> ReviewerTally: ...
