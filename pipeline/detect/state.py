"""What a camera's stage remembers between two frames, as one frozen value that can be put away and taken up again.

Together with the frames from the checkpoint's position on it makes the stage exactly what it was: the violations that it finds after
a kill are those that it would have found. The pictures themselves are not in it; they are read again.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from etle.errors import StoreError
from etle.types import Digest, Finding, RuleName, SignalId, Track, TrackId
from models.tracking.tracker import TrackerState
from pipeline.frames.motion_gate import MotionGateState
from pipeline.scene.signals import SignalHistory

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFinding:
    """A finding whose pictures are still being gathered; `track` as it is by now."""

    finding: Finding
    found_at: datetime
    due_at: datetime
    track: Track


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    version: int = VERSION
    made_by: Digest
    """Digest of the code, models and configuration: another stage's memory is of no use."""
    run: str
    processed: int = -1
    """The last sequence that went through; -1 before the first."""
    last_at: datetime | None = None
    tracker: TrackerState | None = None
    gate: MotionGateState | None = None
    signals: tuple[tuple[SignalId, SignalHistory], ...] = ()
    recent: tuple[Track, ...] = ()
    """Tracks that ended a short while ago: whose plate is it that hangs between two vehicles?"""
    reported: tuple[tuple[RuleName, TrackId], ...] = ()
    pending: tuple[PendingFinding, ...] = ()
    finished: bool = False
    """The source came to its end, and nothing is pending."""

    def without(self, done: tuple[PendingFinding, ...]) -> "StageState":
        return replace(self, pending=tuple(pending for pending in self.pending if pending not in done))


def encode(memory: StageState) -> bytes:
    return msgspec.msgpack.encode(memory)


def decode(data: bytes, made_by: Digest) -> StageState | None:
    """None if another version, configuration or set of models left it. Raises StoreError if it is no memory at all."""
    try:
        head = msgspec.msgpack.decode(data, type=_Head)
        if head.version != VERSION or head.made_by != made_by:
            return None
        return msgspec.msgpack.decode(data, type=StageState)
    except msgspec.MsgspecError as error:
        raise StoreError(f"a checkpoint cannot be read: {error}. Start anew with --from-start") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    version: int
    made_by: Digest
