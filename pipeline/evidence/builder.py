"""Builds a violation from a finding: pictures before, at and after the moment, the plate, the clip, and code and models that found it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from etle.config import site as config
from etle.config.law import Law
from etle.protocols import LampReader
from etle.types import (
    Box,
    EvidenceFile,
    EvidencePicture,
    EvidenceRole,
    Finding,
    Frame,
    Plate,
    PlateSighting,
    Provenance,
    Sighting,
    Track,
    TrackId,
    Violation,
    ViolationId,
    ViolationMessage,
)
from pipeline.attributes.search import AttributeSearch
from pipeline.detect.pending import PendingFinding
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.clip import ClipRecorder
from pipeline.frames.decode import decode
from pipeline.plates.search import PlateSearch, SearchedPlate
from pipeline.plates.voting import vote
from pipeline.riders.search import RiderSearch
from pipeline.rules.attribute_rule import AttributeRule
from pipeline.rules.plate_rule import PlateRule
from pipeline.rules.rider_rule import RiderRule
from pipeline.scene.attributes import ObservedAttribute
from pipeline.scene.calibration import calibrate
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import NotReported, Reason
from pipeline.scene.riders import ObservedRiders, RidersView
from pipeline.scene.scene import Rule
from pipeline.scene.signals import SignalHistory
from pipeline.scene.vehicle_motion import of_one_vehicle

NAMESPACE: Final = UUID("6f0a3d7e-3b0c-5f43-9c0e-0d6a4f1c2b11")
"""Namespace of the violations' ids. Never change it: a replay would store every violation a second time."""
_APART: Final = timedelta(seconds=1)
"""Time between the pictures: enough to see whether the vehicle moves."""


@dataclass(slots=True)
class VehicleSearches:
    """What was searched in the same frames: several rules ask for the plate or the riders of one vehicle at one moment."""

    plates: dict[tuple[TrackId, datetime, int], SearchedPlate] = field(default_factory=dict)
    """By track, moment, and the number of frames that were asked for."""
    riders: dict[tuple[TrackId, datetime], tuple[RidersView, ...]] = field(default_factory=dict)
    """By track and moment."""


@dataclass(frozen=True, slots=True)
class EvidenceBuilder:
    """Builds the violations of one camera, with their files."""

    site: config.Site
    camera: config.CameraSettings
    law: Law
    plates: PlateSearch
    clips: ClipRecorder
    provenance: Provenance
    lamps: LampReader
    """Locates the signal heads in the pictures; the page shows where they were read."""
    riders: RiderSearch | None = None
    """None where no rule asks for riders."""
    attributes: AttributeSearch | None = None
    """None where no rule asks for a classifier."""

    def can_decide(self, rule: Rule) -> bool:
        """Whether the pictures are searched for what this rule waits for."""
        if isinstance(rule, RiderRule):
            return self.riders is not None
        return self.attributes is not None if isinstance(rule, AttributeRule) else self.plates.reads_plates

    def build(
        self, pending: PendingFinding, rule: Rule, frames: FrameBuffer, others: Sequence[Track], signal: SignalHistory | None,
        marks: tuple[str, ...] = (), searched: VehicleSearches | None = None,
    ) -> ViolationMessage | NotReported:  # fmt: skip
        """NotReported if the frames around the moment are no longer in `frames`, or if the rule decides so by the plate or the riders.

        `searched`: what was searched in the same frames; what is searched here is added.
        """
        finding = pending.finding
        track = of_one_vehicle(pending.track, calibrate(self.camera), finding.occurred_at)
        shown = choose_pictures(track, finding.occurred_at, pending.found_at, frames, pending.before)
        if shown is None:
            return NotReported(reason=Reason.PICTURES_GONE)
        known = searched or VehicleSearches()
        if isinstance(rule, RiderRule | AttributeRule):
            outcome = self._judged(rule, finding, track, others, frames, known)
            if isinstance(outcome, NotReported):
                return outcome
            finding = outcome
        found = self._searched(track, others, frames, finding.occurred_at, rule, known)
        plate = found.plate
        if isinstance(rule, PlateRule):
            outcome = rule.judge_plate(self._identified(finding, track, found))
            if isinstance(outcome, NotReported):
                return outcome
            finding = outcome
        starts_at = finding.occurred_at - timedelta(seconds=self.site.evidence.before_s)
        pictures, originals = self._pictures(shown, plate, track, frames)
        located = tuple(self._with_heads(picture, frames, rule) for picture in pictures)
        clip, clip_file = self.clips.clip([*frames.between(starts_at, pending.due_at)])
        first, last = shown[0][1], max(sighting.captured_at for _, sighting in shown)
        violation = Violation(
            id=violation_id(self.site.site, self.camera.id, finding),
            site=self.site.site,
            camera=self.camera.camera_id,
            camera_name=self.camera.name or self.camera.id,
            rule=finding.rule,
            article=self.law.article(finding.rule, finding.occurred_at, self.site.timezone),
            occurred_at=finding.occurred_at,
            timezone=self.site.timezone,
            vehicle=finding.vehicle,
            track=finding.track,
            measured=finding.measured,
            signal=signal.during(starts_at, pending.due_at) if signal else (),
            path=tuple(sighting for sighting in track.sightings if first.captured_at <= sighting.captured_at <= last),
            plate=plate,
            pictures=located,
            clip=clip,
            drawing=rule.drawing(),
            provenance=self.provenance,
            marks=(*finding.marks, *marks),
            facts=finding.facts,
            polda=self.site.polda,
        )
        return ViolationMessage(violation=violation, files=(*originals, clip_file))

    def _searched(
        self, track: Track, others: Sequence[Track], frames: FrameBuffer, at: datetime, rule: Rule, known: VehicleSearches
    ) -> SearchedPlate:
        min_frames = rule.views if isinstance(rule, PlateRule) else 1
        key = track.id, at, min_frames
        if key not in known.plates:
            known.plates[key] = self.plates.search(track, others, frames, at, min_frames)
        return known.plates[key]

    def _judged(
        self, rule: RiderRule | AttributeRule, passage: Finding, track: Track, others: Sequence[Track], frames: FrameBuffer,
        known: VehicleSearches,
    ) -> Finding | NotReported:  # fmt: skip
        if isinstance(rule, RiderRule):
            return rule.judge_riders(self._observed(passage, track, others, frames, known))
        assert self.attributes is not None, "a rule about an attribute has no candidates without a classifier"
        views = self.attributes.search(track, others, frames, rule.classifier, rule.area)
        return rule.judge_attribute(ObservedAttribute(passage=passage, track=track, views=views))

    def _observed(
        self, passage: Finding, track: Track, others: Sequence[Track], frames: FrameBuffer, known: VehicleSearches
    ) -> ObservedRiders:
        assert self.riders is not None, "a rule about riders has no candidates without a search"
        key = track.id, passage.occurred_at
        if key not in known.riders:
            known.riders[key] = self.riders.search(track, others, frames)
        return ObservedRiders(passage=passage, track=track, views=known.riders[key])

    def _identified(self, passage: Finding, track: Track, found: SearchedPlate) -> IdentifiedVehicle:
        classless = replace(vote(found.plate.sightings, None, passage.occurred_at), electric=found.plate.electric)
        return IdentifiedVehicle(
            passage=passage,
            track=track,
            plate=found.plate,
            classless_plate=classless,
            views=found.views,
            timezone=self.site.timezone,
        )

    def _pictures(
        self, shown: Sequence[tuple[EvidenceRole, Sighting]], plate: Plate, track: Track, frames: FrameBuffer
    ) -> tuple[tuple[EvidencePicture, ...], tuple[EvidenceFile, ...]]:
        plates = {sighting.sequence: sighting.plate.box for sighting in plate.sightings}
        best = best_plate_sighting(plate)
        vehicle = {sighting.sequence: sighting for sighting in track.sightings}
        roles = [*shown] + ([(EvidenceRole.PLATE, vehicle[best.sequence])] if best else [])
        pictures, files = [], {}
        for role, sighting in roles:
            frame = _frame_of(frames, sighting)
            pictures.append(_picture(role, frame, sighting.box, plates.get(sighting.sequence)))
            files[frame.sha256] = EvidenceFile(sha256=frame.sha256, suffix=".jpg", data=frame.jpeg)
        return tuple(pictures), tuple(files.values())

    def _with_heads(self, picture: EvidencePicture, frames: FrameBuffer, rule: Rule) -> EvidencePicture:
        """The picture with the heads of the rule's signals as located in it."""
        used, frame = {name for name, _ in rule.drawing().signals}, frames.get(picture.sequence)
        if not used or frame is None:
            return picture
        image = decode(frame)
        heads: list[tuple[str, Box]] = []
        for signal in self.camera.signals:
            for drawn in signal.boxes if signal.id in used else ():
                located = self.lamps.locate(image, drawn, signal.order).box
                heads += [(signal.id, located)] if located else []
        return replace(picture, signal_heads=tuple(heads))


def violation_id(site: str, camera: str, finding: Finding) -> ViolationId:
    """Deterministic: the same frames give the same id in every replay and on every machine."""
    name = f"{site}/{camera}/{finding.rule}/{finding.first_sequence}/{finding.occurred_at.isoformat()}"
    return ViolationId(uuid5(NAMESPACE, name))


def choose_pictures(
    track: Track, occurred_at: datetime, found_at: datetime, frames: FrameBuffer, begun: Sighting | None = None
) -> tuple[tuple[EvidenceRole, Sighting], ...] | None:
    """The sightings to show: a second before, at the moment, and when the rule reported it. None if the moment's frames are missing.

    `begun`: to show instead of the one a second before, from the beginning of an offence that lasts.
    Only frames in which the vehicle was detected are chosen: a picture without it proves nothing.
    """
    available = [sighting for sighting in track.sightings if frames.get(sighting.sequence)]
    if not available:
        return None
    at = _nearest(available, occurred_at)
    earlier = [sighting for sighting in available if sighting.captured_at < min(at.captured_at, occurred_at)]
    later = [sighting for sighting in available if sighting.captured_at > max(at.captured_at, occurred_at)]
    if not earlier or abs(at.captured_at - occurred_at) > _APART:
        return None
    before = _nearest(earlier, occurred_at - _APART)
    if begun is not None and frames.get(begun.sequence) and track.first.captured_at <= begun.captured_at < before.captured_at:
        before = begun
    chosen = [(EvidenceRole.BEFORE, before), (EvidenceRole.AT, at)]
    if later:
        chosen.append((EvidenceRole.AFTER, _nearest(later, max(occurred_at + _APART, found_at))))
    return tuple(chosen)


def best_plate_sighting(plate: Plate) -> PlateSighting | None:
    """The sighting to show beside the text: the largest and sharpest of those whose text is the voted one. None without sightings."""
    agreeing = [sighting for sighting in plate.sightings if sighting.read.text == plate.text] or list(plate.sightings)
    return max(agreeing, key=lambda sighting: (sighting.plate.box.width * sighting.sharpness**0.5, -sighting.sequence), default=None)


def _nearest(sightings: Sequence[Sighting], at: datetime) -> Sighting:
    return min(sightings, key=lambda sighting: abs(sighting.captured_at - at))


def _frame_of(frames: FrameBuffer, sighting: Sighting) -> Frame:
    frame = frames.get(sighting.sequence)
    assert frame is not None, "only sightings whose frame is in the buffer are chosen"
    return frame


def _picture(role: EvidenceRole, frame: Frame, vehicle: Box, plate: Box | None) -> EvidencePicture:
    return EvidencePicture(
        role=role,
        sequence=frame.sequence,
        captured_at=frame.captured_at,
        width=frame.width,
        height=frame.height,
        sha256=frame.sha256,
        vehicle_box=vehicle,
        plate_box=plate,
        frame_signature=frame.signature,
    )
