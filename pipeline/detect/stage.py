"""One camera's stage: frames in, violations with their evidence out.

frame -> gate -> detector -> tracker -> scene -> rules -> (post-roll) -> plate, pictures, clip -> ViolationMessage

All that it carries from frame to frame is one frozen value (`state`); the frames that evidence may still need are in a buffer beside it.
A stage that is built from a saved state and refilled with the frames from `needed_from` on continues as if it had not been interrupted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etle.clock import seconds_between
from etle.config import site as config
from etle.errors import FrameBroken
from etle.protocols import LampReader, VehicleDetector
from etle.types import Box, Frame, SignalId, SignalReading, Track, ViolationMessage
from models.tracking.tracker import Tracker, TrackerState
from pipeline.detect.held import HeldSightings
from pipeline.detect.missing_motorcycles import MissingMotorcycleSearch
from pipeline.detect.pending import PendingFinding, PendingFindings, ReportedFinding
from pipeline.detect.state import StageState
from pipeline.detect.vehicle_search import VehicleSearch
from pipeline.detect.view_check import check_view, is_elsewhere
from pipeline.detect.visibility import FrameObservation, Visibility
from pipeline.evidence.builder import EvidenceBuilder, VehicleSearches
from pipeline.evidence.marks import MarkContext, kept_findings, marks_of
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.decode import HALF_FROM_PX, decode
from pipeline.frames.motion_gate import Motion, MotionGate
from pipeline.rules import used_signals
from pipeline.scene.calibration import calibrate
from pipeline.scene.controller import ControlledSignal
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.one_vehicle import gap_check
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.signal_vote import vote
from pipeline.scene.signals import SignalHistory

if TYPE_CHECKING:
    from etle.types import Image

_MIN_STEP_S = 0.005
"""No camera takes frames faster than this: the clock was set back, and the source squeezes the times of its frames to keep their order."""
_MIN_HEAD_PX = 24.0
"""Signal heads narrower than this are read at full size: at half size their lamps are only a few pixels wide."""


@dataclass(slots=True)
class StageCounts:
    """Frames and findings since the stage was built."""

    frames: int = 0
    gated: int = 0
    detected_area: float = 0.0
    """Searched for vehicles, in whole frames."""
    without_pictures: int = 0
    """Findings whose frames had left the buffer before their evidence could be built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the rules saw in one frame, and what each entry under `rules` decided."""

    scene: Scene
    judged: tuple[tuple[int, Judgement], ...]
    """With the index of the entry."""
    reported: tuple[ReportedFinding, ...]
    """What was reported of the vehicles in view, and whether it is a violation of its own."""


class CameraStage:
    """Holds the models of one camera; not thread-safe."""

    def __init__(
        self, camera: config.CameraSettings, detect: config.DetectionSettings, detector: VehicleDetector, lamps: LampReader,
        rules: Sequence[Rule], evidence: EvidenceBuilder, state: StageState,
    ) -> None:  # fmt: skip
        self._camera = camera
        self._settings = detect
        self._retention = evidence.site.evidence
        self._lamps = lamps
        self._rules = tuple(rules)
        self._evidence = evidence
        self._heads = used_signals(camera, rules)
        self._halved = max(camera.frame_size) >= HALF_FROM_PX and all(
            _shorter_side(box) >= _MIN_HEAD_PX for head in self._heads for box in head.boxes
        )
        self._frames = FrameBuffer(self._retention.keep_s)
        self._state = replace(state, visibility=Visibility()) if camera.source.live else state
        self._tracker = self._new_tracker(state.tracker)
        self._gate = MotionGate(camera, state.gate)
        self._search = VehicleSearch(detector, camera.frame_size)
        self._missing_motorcycles = MissingMotorcycleSearch(detector, camera.frame_size, detect.score)
        self.counts = StageCounts()
        self.observed: FrameObservation | None = None
        """What the last frame added to `state.visibility`; None before the first."""
        self.decided: Decided | None = None
        """What the rules decided on the last frame; None if they did not run on it."""
        self.decided_by_plate: tuple[tuple[int, Judgement], ...] = ()
        """What they decided on plates that became known with the last frame."""

    @property
    def state(self) -> StageState:
        return self._state

    @property
    def needed_from(self) -> int:
        """Sequence of the oldest frame that is still needed; older ones need not be read again after a restart."""
        oldest = self._frames.oldest
        return self._state.processed + 1 if oldest is None or self._state.finished else oldest.sequence

    def refill(self, frame: Frame) -> None:
        """Put a frame that was processed before the restart back into the buffer, for evidence only."""
        self._frames.add(frame, self._needed_since(), self._held())

    def process(self, frame: Frame) -> tuple[ViolationMessage, ...]:
        """The violations that became complete. Raises FrameBroken (the stage continues with the next frame), InferenceError."""
        self._check_size(frame)
        image = decode(frame, halved=self._halved)
        self.decided, self.decided_by_plate = None, ()
        completed = self._restart() if self._clock_was_set(frame) else ()
        self._store(frame, image)
        self._read_signals(image, frame)
        motion = self._gate.motion(image, frame.captured_at)
        if self._settings.gate and motion is None:
            self.counts.gated += 1
        else:
            self._apply_rules(self._track(image, frame, motion if self._settings.region == "auto" else None), image)
        self._observe(image, frame)
        return completed + self._complete(frame.captured_at)

    def finish(self) -> tuple[ViolationMessage, ...]:
        """Call at the end of the source: completes all pending findings with the frames that exist."""
        self.decided_by_plate = ()
        completed = self._complete(None)
        self._state = replace(self._state, finished=True, visibility=self._state.visibility.with_all_ended())
        return completed

    def drop_pending(self) -> int:
        """Forget pending findings whose frames cannot be read again; returns their number."""
        dropped = self._state.pending.waiting
        self._state = replace(self._state, pending=self._state.pending.without(dropped))
        self._record_late([(each, NotReported(reason=Reason.PICTURES_GONE)) for each in dropped])
        return len(dropped)

    def _check_size(self, frame: Frame) -> None:
        if (frame.width, frame.height) != self._camera.frame_size:
            expected = "x".join(map(str, self._camera.frame_size))
            raise FrameBroken(
                f"frame {frame.sequence} of {frame.camera} is {frame.width}x{frame.height}, but the site file's lines are drawn on"
                f" {expected} (frame_size): set the camera back to that size, or draw them again"
            )

    def _clock_was_set(self, frame: Frame) -> bool:
        """Whether the time since the last frame is none: frames from before and after such a step cannot be compared."""
        last = self._state.last_at
        return last is not None and seconds_between(last, frame.captured_at) < _MIN_STEP_S

    def _new_tracker(self, state: TrackerState | None) -> Tracker:
        can_be_one = gap_check(calibrate(self._camera))
        return Tracker(state, score=self._settings.score, image_size=self._camera.frame_size, can_be_one=can_be_one)

    def _restart(self) -> tuple[ViolationMessage, ...]:
        """Complete what is pending, then start tracking and signal histories from nothing."""
        completed = self._complete(None)
        self._frames.clear()
        self._tracker, self._gate = self._new_tracker(None), MotionGate(self._camera)
        self._state = replace(
            self._state,
            tracker=None,
            gate=None,
            signals=(),
            controlled=(),
            recent=(),
            found=(),
            pending=PendingFindings(),
            held=HeldSightings(),
        )
        self._state = replace(self._state, visibility=self._state.visibility.with_all_ended())
        return completed

    def _store(self, frame: Frame, image: "Image") -> None:
        """Keep the frame for evidence, and record that it was processed."""
        self._frames.add(frame, self._needed_since(), self._held())
        self._evidence.clips.add(frame, image)
        self.counts.frames += 1
        self._state = replace(self._state, processed=frame.sequence, last_at=frame.captured_at, finished=False)

    def _read_signals(self, image: "Image", frame: Frame) -> None:
        histories, controlled = dict(self._state.signals), dict(self._state.controlled)
        scale = image.shape[1] / frame.width
        for head in self._heads:
            read = (self._lamps.read(image, Box(*(edge * scale for edge in box)), head.order) for box in head.boxes)
            lamp, score = vote(tuple(read))
            reading = SignalReading(captured_at=frame.captured_at, lamp=lamp, score=score)
            name = SignalId(head.id)
            readings: tuple[SignalReading, ...] = (reading,)
            if head.feed is not None:
                told = [each for each in frame.controller if each.signal == name]
                controlled[name], readings = controlled.get(name, ControlledSignal()).with_frame(reading, told, head.feed)
            history = histories.get(name, SignalHistory())
            for each in readings:
                history = history.with_reading(each)
            histories[name] = history
        self._state = replace(self._state, signals=tuple(histories.items()), controlled=tuple(controlled.items()))

    def _track(self, image: "Image", frame: Frame, motion: Motion | None) -> Scene:
        """Detect the vehicles, update their tracks, and return the scene for the rules. `motion` None: detect in the whole frame."""
        tracks = self._tracker.state.tracks
        part = self._search.part_for(motion, tracks, frame.captured_at) if motion else None
        detections, searched = self._search.detect(image, part, tracks)
        detections = self._missing_motorcycles.with_missing(image, detections, tracks, frame.captured_at)
        self._gate.analysed(frame.captured_at, searched)
        self.counts.detected_area += 1.0 if searched is None else searched.area / (frame.width * frame.height)
        update = self._tracker.update(frame.sequence, frame.captured_at, detections)
        recent = self._recently_ended(update.ended, frame.captured_at)
        self._state = replace(self._state, tracker=self._tracker.state, gate=self._gate.state, recent=recent)
        return Scene(
            now=frame.captured_at,
            tracks=update.tracks,
            ended=update.ended,
            signals=dict(self._state.signals),
            timezone=self._evidence.site.timezone,
        )

    def _recently_ended(self, ended: Sequence[Track], now: datetime) -> tuple[Track, ...]:
        oldest = now - timedelta(seconds=self._retention.keep_s)
        return tuple(track for track in (*self._state.recent, *ended) if track.last.captured_at >= oldest)

    def _apply_rules(self, scene: Scene, image: "Image") -> None:
        tracks = {track.id: track for track in (*scene.tracks, *scene.ended)}
        pending = self._state.pending.with_tracks([*tracks.values()])
        judged = tuple((entry, judgement) for entry, rule in enumerate(self._rules) for judgement in rule.judge(scene))
        judged = self._without_findings_elsewhere(judged, image, pending)
        for entry, judgement in judged:
            if finding := judgement.finding:
                before = self._state.held.first(entry, finding.track)
                pending = pending.with_finding(finding, entry, tracks[finding.track], scene.now, self._retention.after_s, before)
            elif (passage := judgement.candidate) and self._evidence.can_decide(self._rules[entry]):
                track = tracks[passage.track]
                pending = pending.with_finding(passage, entry, track, scene.now, self._retention.after_s, is_candidate=True)
        pending = pending.with_undecided([judgement for _, judgement in judged], scene.now)
        self.decided = Decided(scene=scene, judged=judged, reported=pending.reported)
        open_tracks = tracks.keys() | {track.id for track in self._tracker.state.tracks}
        held = self._state.held.with_judgements(judged, tracks, scene.now)
        self._state = replace(self._state, pending=pending.without_ended(open_tracks, scene.now), held=held)

    def _without_findings_elsewhere(
        self, judged: tuple[tuple[int, Judgement], ...], image: "Image", pending: PendingFindings
    ) -> tuple[tuple[int, Judgement], ...]:
        """While the camera looks elsewhere its rules pause. The view is checked every ten seconds, and in each frame with a new finding or
        candidate: the seconds between the moment the camera moved and the next check accuse nobody."""
        view, known = self._state.view, {(each.entry, each.track.id) for each in pending.reported}
        if view is not None and view.looks_elsewhere:
            return tuple((entry, _paused(judgement)) for entry, judgement in judged)
        new = [each for entry, each in judged if (each.finding or each.candidate) and (entry, each.track) not in known]
        vehicles = [track.last.box for track in self._tracker.state.tracks]
        if not new or not is_elsewhere(image, view, vehicles, self._camera.frame_size[0]):
            return judged
        return tuple((entry, _paused(each) if each in new else each) for entry, each in judged)

    def _observe(self, image: "Image", frame: Frame) -> None:
        """Count what could be seen in this frame."""
        seen = self._state.visibility
        open_tracks = {track.id for track in self._tracker.state.tracks}
        if self.decided is not None:
            seen = seen.with_judgements(self.decided.judged)
        checked = check_view(image, frame.captured_at, self._state.view)
        self.observed = FrameObservation(
            signals=tuple((name, history.runs[-1].lamp) for name, history in self._state.signals if history.runs),
            view=checked[0] if checked else None,
            settled=seen.ended(open_tracks),
            paused=checked[1].looks_elsewhere if checked else None,
        )
        seen = seen.without_ended(open_tracks).with_frame(self.observed, frame.captured_at)
        self._state = replace(self._state, visibility=seen, view=checked[1] if checked else self._state.view)

    def _complete(self, now: datetime | None) -> tuple[ViolationMessage, ...]:
        """Build the evidence of the findings that are due at `now`; of all pending ones if it is None."""
        due = self._state.pending.due(now)
        if not due:
            return ()
        searched = VehicleSearches()
        built = [(each, self._with_evidence(each, searched)) for each in due]
        self._record_late([(each, result) for each, result in built if isinstance(result, NotReported) or each.is_candidate])
        reported = (each.finding for each, result in built if not (each.is_candidate and isinstance(result, NotReported)))
        found = kept_findings((*self._state.found, *reported), due[-1].finding.occurred_at)
        self._state = replace(self._state, pending=self._state.pending.without(due), found=found)
        messages = tuple(result for _, result in built if isinstance(result, ViolationMessage))
        seen = self._state.visibility
        for message in messages:
            seen = seen.with_plate(message.violation.plate)
        self._state = replace(self._state, visibility=seen)
        return messages

    def _record_late(self, decisions: Sequence[tuple[PendingFinding, ViolationMessage | NotReported]]) -> None:
        """Count what was decided when the evidence was complete."""
        seen = self._state.visibility
        for pending, result in decisions:
            reason = result.reason if isinstance(result, NotReported) else Reason.REPORTED
            self.counts.without_pictures += reason is Reason.PICTURES_GONE
            seen = seen.with_late_decision(pending.entry, pending.track.id, pending.finding.rule, reason)
            if pending.is_candidate:
                outcome = result if isinstance(result, NotReported) else pending.finding
                judgement = Judgement(rule=pending.finding.rule, track=pending.track.id, outcome=outcome)
                self.decided_by_plate += ((pending.entry, judgement),)
        self._state = replace(self._state, visibility=seen)

    def _with_evidence(self, pending: PendingFinding, searched: VehicleSearches) -> ViolationMessage | NotReported:
        rule, signals = self._rules[pending.entry], dict(self._state.signals)
        signal = next((signals[SignalId(name)] for name in rule.drawing().signal_ids if SignalId(name) in signals), None)
        others = [track for track in (*self._tracker.state.tracks, *self._state.recent) if track.id != pending.track.id]
        known = (*self._state.found, *(each.finding for each in self._state.pending.waiting))
        context = MarkContext(finding=pending.finding, others=tuple(each for each in known if each != pending.finding), signal=signal)
        return self._evidence.build(pending, rule, self._frames, others, signal, marks_of(context), searched)

    def _held(self) -> frozenset[int]:
        """Sequences of older frames that stay in the buffer as well."""
        return self._state.held.sequences | self._state.pending.held

    def _needed_since(self) -> datetime | None:
        """Frames from then on stay in the buffer, whatever their age: evidence will be built from them."""
        return self._state.pending.needed_from(self._retention.before_s)


def _paused(judgement: Judgement) -> Judgement:
    return replace(judgement, outcome=NotReported(reason=Reason.VIEW_MOVED), began_at=None)


def _shorter_side(box: Box) -> float:
    return min(box.width, box.height)
