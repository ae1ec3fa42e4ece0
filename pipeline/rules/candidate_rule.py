"""Rules that judge a vehicle once more of it is known than its positions: its plate, its riders.

Each vehicle that passes the rule's line, or enters its zone, is a candidate: like a finding it waits for the frames after it. Then its
pictures are searched, and the rule decides.
"""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final, Self

from pydantic import Field, model_validator

from etle.clock import seconds_between
from etle.config import site as config
from etle.config.schedule import RuleSchedule
from etle.config.strict_yaml import Section
from etle.types import Drawing, Finding, RuleName, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.approach import drawing_of
from pipeline.scene.calibration import Calibration
from pipeline.scene.judgement import AwaitsPictures, AwaitsPlate, Judgement, LinePassage, NotReported, Reason
from pipeline.scene.passage import FrontOffset, NoPassage, PassageMemory
from pipeline.scene.scene import LineOnRoad, Rule, Scene
from pipeline.scene.zones import is_certainly_in

_FOOT: Final = FrontOffset(0.0, 0.0, 0.0)
"""Where exactly the vehicle is does not matter: its foot passes the line."""
_INSIDE: Final = 3
"""So many sightings in a zone make a vehicle one that entered it."""


class CandidateSettings(Section):
    """Where a vehicle becomes a candidate, and when."""

    line: config.LineName | None = Field(None, description="Vehicles that pass this line are judged.")
    zone: config.ZoneName | None = Field(None, description="Or vehicles that enter this zone.")
    schedule: RuleSchedule = Field(RuleSchedule(), description="Days and hours in which the rule applies; always by default.")

    @model_validator(mode="after")
    def has_one_place(self) -> Self:
        if (self.line is None) == (self.zone is None):
            raise ValueError("give either `line` or `zone`")
        return self


class CandidateRule(Rule):
    """Subclasses have a name, and say what they wait for."""

    name: RuleName

    def __init__(self, settings: CandidateSettings, camera: config.CameraSettings, calibration: Calibration) -> None:
        self._schedule = settings.schedule
        self._line = camera.line(settings.line) if settings.line is not None else None
        self._zone = camera.zone(settings.zone) if settings.zone is not None else None
        self._on_road = LineOnRoad.of(self._line, calibration) if self._line is not None else None
        self._passages = PassageMemory(self._on_road.past, calibration.foot_uncertainty) if self._on_road is not None else None

    @abstractmethod
    def awaits(self, passage: Finding) -> AwaitsPlate | AwaitsPictures:
        """What the rule waits for. `passage`: the finding if it decides against the vehicle, without what is not known yet."""

    def why_not_candidate(self, track: Track) -> Reason | None:
        """Why its pictures need not be searched, whatever they show; None if they decide."""
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

    def _candidate(self, track: Track, at: datetime, scene: Scene) -> AwaitsPlate | AwaitsPictures | NotReported:
        if not self._schedule.holds_at(at, scene.timezone):
            return NotReported(reason=Reason.OUTSIDE_HOURS)
        if reason := self.why_not_candidate(track):
            return NotReported(reason=reason)
        return self.awaits(
            Finding(
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
