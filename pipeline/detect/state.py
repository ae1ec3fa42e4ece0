"""Everything that a camera's stage carries from one frame to the next, as one frozen value that can be saved and restored.

A stage that is restored from it, with the frames from `CameraStage.needed_from` on, finds the same violations as one that was never
interrupted. The state holds no frames; they are read again.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from etle.decoded_types import prepare
from etle.types import CameraId, Digest, Finding, SignalId, Track, digest_of
from models.tracking.tracker import TrackerState
from pipeline.detect.held import HeldSightings
from pipeline.detect.pending import PendingFindings
from pipeline.detect.view_check import ViewCheckState
from pipeline.detect.visibility import Visibility
from pipeline.frames.motion_gate import MotionGateState
from pipeline.scene.controller import ControlledSignal
from pipeline.scene.signals import SignalHistory

log = logging.getLogger(__name__)
VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    version: int = VERSION
    fingerprint: Digest
    """Digest of the code, models and configuration of the stage; a stage with another fingerprint does not resume from this state."""
    run: str
    processed: int = -1
    """Sequence of the last processed frame; -1 before the first."""
    last_at: datetime | None = None
    """Capture time of the last processed frame."""
    tracker: TrackerState | None = None
    gate: MotionGateState | None = None
    signals: tuple[tuple[SignalId, SignalHistory], ...] = ()
    controlled: tuple[tuple[SignalId, ControlledSignal], ...] = ()
    """Signals whose controller reports their state."""
    recent: tuple[Track, ...] = ()
    """Tracks that ended within the last `keep_s`: a plate found between two vehicles may belong to one of them."""
    found: tuple[Finding, ...] = ()
    """Findings of the last minutes whose evidence is complete."""
    pending: PendingFindings = field(default_factory=PendingFindings)
    held: HeldSightings = field(default_factory=HeldSightings)
    """Of offences that last, such as parking."""
    visibility: Visibility = field(default_factory=Visibility)
    view: ViewCheckState | None = None
    finished: bool = False
    """The source has ended, and no finding is pending."""


def initial_state(fingerprint: Digest, camera: CameraId, offset: int) -> StageState:
    """State of a camera that begins at this offset. The name of the run is derived from it, so that a replay gives the same bytes."""
    return StageState(fingerprint=fingerprint, run=digest_of(f"{fingerprint} {camera} {offset}".encode())[:32])


def encode(state: StageState) -> bytes:
    return msgspec.msgpack.encode(state)


def decode(data: bytes, fingerprint: Digest) -> StageState | None:
    """None if a stage with this fingerprint cannot resume from it: another version or fingerprint, or damaged data (which is logged)."""
    try:
        head = msgspec.msgpack.decode(data, type=_Head)
        if head.version != VERSION or head.fingerprint != fingerprint:
            return None
        return msgspec.msgpack.decode(data, type=StageState)
    except msgspec.MsgspecError as error:
        log.warning("a saved state cannot be read and is ignored: %s", error)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    version: int
    fingerprint: str = ""


prepare(_Head, StageState)
