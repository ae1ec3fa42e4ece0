"""One camera's stage: frames in, parcels out.

frame -> gate -> detector -> tracker -> scene -> rules -> (post-roll) -> plate, pictures, film -> parcel

Everything that it remembers is one frozen value (`memory`); the frames that evidence may still need are in a ring beside it. Give a new
stage the memory and the frames from `needed_from` on, and it goes on as if nothing had happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etle.config import site as config
from etle.errors import FrameBroken
from etle.geometry import shared_area
from etle.protocols import LampReader, VehicleDetector
from etle.types import Box, Detection, Finding, Frame, RuleName, SignalId, SignalReading, Track, TrackId, ViolationMessage
from models.tracking.tracker import Tracker
from pipeline.detect.state import PendingFinding, StageState
from pipeline.evidence.builder import EvidenceBuilder
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.decode import HALF_FROM_PX, decode
from pipeline.frames.motion_gate import MotionGate
from pipeline.rules import used_signals
from pipeline.scene.scene import Rule, Scene, seconds
from pipeline.scene.signals import SignalHistory

if TYPE_CHECKING:
    from etle.types import Image

_CLOCK_BACK_S = 1.0
"""A clock that goes back by more than this begins a new story: nothing before it can be compared with what comes."""
_LEAST_HEAD_PX = 24.0
"""Signal heads narrower than this are read at full size: at half of it their lamps are a few pixels."""
_SAME_MOMENT_S, _NESTED, _SEEN_TWICE = 0.5, 0.5, 3
"""Two vehicles that cross a line within half a second, one hidden behind the other for all of their way, are not told apart."""


@dataclass(slots=True)
class StageCounts:
    """What became of the frames since the stage was made."""

    frames: int = 0
    gated: int = 0
    without_pictures: int = 0
    """Findings whose frames were gone before their evidence could be gathered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedFrame:
    """A frame half way through its stage: what is left is to find the vehicles in it, if `moving`."""

    frame: Frame
    image: "Image"
    moving: bool
    parcels: tuple[ViolationMessage, ...]
    """What was completed because the camera's clock went back."""


class CameraStage:
    """Holds the models of one camera; not to be shared between threads."""

    def __init__(
        self, camera: config.CameraSettings, detect: config.DetectionSettings, detector: VehicleDetector, lamps: LampReader,
        rules: Sequence[Rule], gathering: EvidenceBuilder, memory: StageState,
    ) -> None:  # fmt: skip
        self._camera = camera
        self._settings = detect
        self._evidence = gathering.site.evidence
        self._detector = detector
        self._lamps = lamps
        self._rules: Mapping[RuleName, Rule] = {rule.name: rule for rule in rules}
        self._gathering = gathering
        self._heads = used_signals(camera)
        self._halved = max(camera.frame_size) >= HALF_FROM_PX and all(_width(head.box) >= _LEAST_HEAD_PX for head in self._heads)
        self._ring = FrameBuffer(self._evidence.keep_s)
        self._memory = memory
        self._tracker = Tracker(memory.tracker, score=detect.score, picture=camera.frame_size)
        self._gate = MotionGate(camera, memory.gate)
        self.counts = StageCounts()

    @property
    def memory(self) -> StageState:
        return self._memory

    @property
    def needed_from(self) -> int:
        """The oldest sequence that is still needed; frames before it may be forgotten by whoever keeps them."""
        oldest = self._ring.oldest
        return self._memory.processed + 1 if oldest is None or self._memory.finished else oldest.sequence

    def refill(self, frame: Frame) -> None:
        """A frame that went through before, for the pictures only."""
        self._ring.add(frame, self._needed_moment())

    def process(self, frame: Frame) -> tuple[ViolationMessage, ...]:
        """The violations that became complete. Raises FrameBroken (the stage goes on with the next), InferenceError."""
        seen = self.begin(frame)
        return self.conclude(seen, self._detector.detect([seen.image])[0] if seen.moving else ())

    def begin(self, frame: Frame) -> DecodedFrame:
        """The first half, for whoever asks the detector about several cameras at once; `conclude` is the other. Raises FrameBroken."""
        self._check_size(frame)
        image = decode(frame, halved=self._halved)
        parcels = self._break_off() if self._clock_went_back(frame) else ()
        self._ring.add(frame, self._needed_moment())
        self._gathering.film.keep(frame, image)
        self.counts.frames += 1
        self._memory = replace(self._memory, processed=frame.sequence, last_at=frame.captured_at, finished=False)
        self._read_signals(image, frame)
        moving = not self._settings.gate or self._gate.opens(image, frame.captured_at)
        return DecodedFrame(frame=frame, image=image, moving=moving, parcels=parcels)

    def conclude(self, seen: DecodedFrame, found: Sequence[Detection]) -> tuple[ViolationMessage, ...]:
        """`found` is what the detector says of `seen.image`. Raises InferenceError."""
        if seen.moving:
            self._look(seen.image, seen.frame, found)
        else:
            self.counts.gated += 1
        return seen.parcels + self._complete(seen.frame.captured_at)

    def finish(self) -> tuple[ViolationMessage, ...]:
        """The source has ended: what is pending is completed with the pictures that there are."""
        parcels = self._complete(None)
        self._memory = replace(self._memory, finished=True)
        return parcels

    def drop_pending(self) -> int:
        """Forgets findings whose frames cannot be read again; returns how many."""
        dropped = len(self._memory.pending)
        self._memory = replace(self._memory, pending=())
        self.counts.without_pictures += dropped
        return dropped

    def _check_size(self, frame: Frame) -> None:
        if (frame.width, frame.height) != self._camera.frame_size:
            wanted = "x".join(map(str, self._camera.frame_size))
            raise FrameBroken(
                f"frame {frame.sequence} of {frame.camera} is {frame.width}x{frame.height}, and the site file's lines are drawn on {wanted}"
                " (frame_size): set the camera back to that size, or draw them anew"
            )

    def _clock_went_back(self, frame: Frame) -> bool:
        last = self._memory.last_at
        return last is not None and seconds(frame.captured_at, last) > _CLOCK_BACK_S

    def _break_off(self) -> tuple[ViolationMessage, ...]:
        """Complete what is pending, and begin anew."""
        parcels = self._complete(None)
        self._ring.clear()
        self._tracker, self._gate = Tracker(score=self._settings.score, picture=self._camera.frame_size), MotionGate(self._camera)
        self._memory = replace(self._memory, tracker=None, gate=None, signals=(), recent=(), reported=())
        return parcels

    def _read_signals(self, image: "Image", frame: Frame) -> None:
        histories = dict(self._memory.signals)
        scale = image.shape[1] / frame.width
        for head in self._heads:
            lamp, score = self._lamps.read(image, Box(*(edge * scale for edge in head.box)), head.order)
            reading = SignalReading(captured_at=frame.captured_at, lamp=lamp, score=score)
            name = SignalId(head.id)
            histories[name] = histories.get(name, SignalHistory()).with_reading(reading)
        self._memory = replace(self._memory, signals=tuple(histories.items()))

    def _look(self, image: "Image", frame: Frame, found: Sequence[Detection]) -> None:
        """Track what was found, and let the rules judge."""
        scale = frame.width / image.shape[1], frame.height / image.shape[0]
        detections = [_scaled(detection, scale) for detection in found]
        step = self._tracker.update(frame.sequence, frame.captured_at, detections)
        recent = self._recent(step.ended, frame.captured_at)
        self._memory = replace(self._memory, tracker=self._tracker.state, gate=self._gate.state, recent=recent)
        self._follow((*step.tracks, *step.ended))
        scene = Scene(now=frame.captured_at, tracks=step.tracks, ended=step.ended, signals=dict(self._memory.signals))
        for rule in self._rules.values():
            for finding in rule.findings(scene):
                self._note(finding, scene)
        self._forget_reported((*step.tracks, *step.ended))

    def _recent(self, ended: Sequence[Track], now: datetime) -> tuple[Track, ...]:
        oldest = now - timedelta(seconds=self._evidence.keep_s)
        return tuple(track for track in (*self._memory.recent, *ended) if track.last.captured_at >= oldest)

    def _follow(self, tracks: Sequence[Track]) -> None:
        """What is pending goes on with its vehicle."""
        now = {track.id: track for track in tracks}
        pending = tuple(replace(each, track=now.get(each.track.id, each.track)) for each in self._memory.pending)
        self._memory = replace(self._memory, pending=pending)

    def _note(self, finding: Finding, scene: Scene) -> None:
        known = (finding.rule, finding.track)
        if known in self._memory.reported:
            return
        track = next(track for track in (*scene.tracks, *scene.ended) if track.id == finding.track)
        if any(same_event(finding, track, each.finding, each.track) for each in self._memory.pending):
            self._memory = replace(self._memory, reported=(*self._memory.reported, known))
            return
        due_at = max(finding.occurred_at + timedelta(seconds=self._evidence.after_s), scene.now)
        pending = PendingFinding(finding=finding, found_at=scene.now, due_at=due_at, track=track)
        self._memory = replace(self._memory, reported=(*self._memory.reported, known), pending=(*self._memory.pending, pending))

    def _forget_reported(self, tracks: Sequence[Track]) -> None:
        """A track that has ended is not seen again, and need not be remembered."""
        open_: set[TrackId] = {track.id for track in tracks}
        open_ |= {track.id for track in self._tracker.state.tracks}
        self._memory = replace(self._memory, reported=tuple(known for known in self._memory.reported if known[1] in open_))

    def _complete(self, now: datetime | None) -> tuple[ViolationMessage, ...]:
        """Parcels of what is due by `now`; of all that is pending if that is None."""
        due = tuple(each for each in self._memory.pending if now is None or each.due_at <= now)
        if not due:
            return ()
        others = (*self._tracker.state.tracks, *self._memory.recent)
        signals = dict(self._memory.signals)
        parcels = []
        for each in due:
            rule = self._rules[each.finding.rule]
            signal = next((signals[SignalId(name)] for name, _ in rule.drawing().signals if SignalId(name) in signals), None)
            rest = [track for track in others if track.id != each.track.id]
            parcel = self._gathering.parcel(each, rule, self._ring, rest, signal)
            if parcel is None:
                self.counts.without_pictures += 1
            else:
                parcels.append(parcel)
        self._memory = self._memory.without(due)
        return tuple(parcels)

    def _needed_moment(self) -> datetime | None:
        """Frames from then on stay, whatever their age: evidence is being made of them."""
        before = timedelta(seconds=self._evidence.before_s)
        return min((each.finding.occurred_at - before for each in self._memory.pending), default=None)


def same_event(finding: Finding, track: Track, other: Finding, other_track: Track) -> bool:
    """Whether two tracks are one vehicle that the detector saw twice: the same rule at the same moment, in boxes one within the other."""
    if finding.rule != other.rule or abs(seconds(finding.occurred_at, other.occurred_at)) > _SAME_MOMENT_S:
        return False
    boxes = {sighting.sequence: sighting.box for sighting in other_track.sightings}
    shared = [(sighting.box, boxes[sighting.sequence]) for sighting in track.sightings if sighting.sequence in boxes]
    nested = [shared_area(one, two) > _NESTED * min(one.area, two.area) for one, two in shared]
    return len(nested) >= _SEEN_TWICE and sum(nested) > 0.8 * len(nested)


def _width(box: Box) -> float:
    return min(box.width, box.height)


def _scaled(detection: Detection, scale: tuple[float, float]) -> Detection:
    x, y = scale
    box = detection.box
    return replace(detection, box=Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y))
