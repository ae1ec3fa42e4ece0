"""Rules that judge a vehicle once its plate is known.

Each vehicle that passes the rule's line, or enters its zone, is a candidate: like a finding it waits for the frames after it. Then its
plate is searched and read, and `judge_plate` decides. A plate that is not certain decides nothing.
"""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.schedule import RuleSchedule
from etle.config.strict_yaml import Name, Section
from etle.plates import ParsedPlate, PlateKind, parse
from etle.types import Certainty, Drawing, Finding, Plate, RuleName, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.scene.calibration import Calibration
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import AwaitsPlate, Judgement, LinePassage, NotReported, Reason
from pipeline.scene.passage import FrontOffset, NoPassage, PassageMemory
from pipeline.scene.scene import LineOnRoad, Rule, Scene
from pipeline.scene.zones import is_certainly_in

_FOOT: Final = FrontOffset(0.0, 0.0, 0.0)
"""Where exactly the vehicle is does not matter to its plate: its foot passes the line."""
_INSIDE: Final = 3
"""So many sightings in a zone make a vehicle one that entered it."""


class PlateRuleSettings(Section):
    """Where a vehicle becomes a candidate, and when."""

    line: Name | None = Field(None, description="Vehicles that pass this line are judged.")
    zone: Name | None = Field(None, description="Or vehicles that enter this zone.")
    schedule: RuleSchedule = Field(RuleSchedule(), description="Days and hours in which the rule applies; always by default.")

    @model_validator(mode="after")
    def has_one_place(self) -> Self:
        if (self.line is None) == (self.zone is None):
            raise ValueError("give either `line` or `zone`")
        return self


class PlateRule(Rule):
    """Subclasses have a name and `judge_plate`."""

    name: RuleName
    views: ClassVar[int] = 1
    """Number of frames in which the plate is read at least, if the vehicle is seen in so many."""

    def __init__(self, settings: PlateRuleSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._schedule = settings.schedule
        self._line = camera.line(settings.line) if settings.line is not None else None
        self._zone = camera.zone(settings.zone) if settings.zone is not None else None
        self._on_road = LineOnRoad.of(self._line, calibration) if self._line is not None else None
        self._passages = PassageMemory(self._on_road.past, calibration.foot_uncertainty) if self._on_road is not None else None

    @abstractmethod
    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        """The decision on a candidate."""

    def why_not_candidate(self, track: Track) -> Reason | None:
        """Why its plate need not be read, whatever it says; None if it decides."""
        return None

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(self._judgements(scene))

    def drawing(self) -> Drawing:
        return drawing_of((self._line,) if self._line else (), zones=(self._zone,) if self._zone else ())

    def _judgements(self, scene: Scene) -> Iterator[Judgement]:
        for track in (*scene.tracks, *scene.ended):
            at = self._passed_at(track)
            if at is not None:
                crossed = LinePassage(self._line.id, at) if self._line else None
                yield Judgement(
                    rule=self.name,
                    track=track.id,
                    outcome=self._candidate(track, at, scene),
                    crossed=crossed,
                    zone=self._zone.id if self._zone else None,
                )

    def _candidate(self, track: Track, at: datetime, scene: Scene) -> AwaitsPlate | NotReported:
        if not self._schedule.holds_at(at, scene.timezone):
            return NotReported(reason=Reason.OUTSIDE_HOURS)
        if reason := self.why_not_candidate(track):
            return NotReported(reason=reason)
        return AwaitsPlate(
            passage=Finding(
                rule=self.name,
                track=track.id,
                first_sequence=track.first.sequence,
                vehicle=vehicle_class_of(track),
                occurred_at=at,
                measured=(),
            )
        )

    def _passed_at(self, track: Track) -> datetime | None:
        if self._zone is not None:
            zone = self._zone
            inside = (sighting for sighting in track.sightings if is_certainly_in(zone, sighting.box))
            third = next(islice(inside, _INSIDE - 1, None), None)
            return None if third is None else third.captured_at
        assert self._passages is not None and self._on_road is not None
        passed = self._passages.passage_of(track, _FOOT)
        if isinstance(passed, NoPassage):
            return None
        nearest = min(track.sightings, key=lambda sighting: abs(seconds_between(passed.at, sighting.captured_at)))
        return passed.at if self._on_road.spans(nearest) else None


def certain_plate(plate: Plate, *, frames: int = 1) -> ParsedPlate | None:
    """The plate, if its text is certain, has the shape of one and was read alike in so many frames; None if it decides nothing."""
    if plate.certainty is not Certainty.CERTAIN or plate.text is None:
        return None
    if len({sighting.sequence for sighting in plate.sightings if sighting.read.text == plate.text}) < frames:
        return None
    parsed = parse(plate.text)
    return None if parsed.kind is PlateKind.UNKNOWN else parsed
