"""Rules that judge a motorcycle once its riders were searched. Who cannot be seen, or told from a bystander, decides nothing."""

from abc import abstractmethod

from etle.types import Finding, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.candidate_rule import CandidateRule
from pipeline.scene.judgement import AwaitsPictures, NotReported, Reason
from pipeline.scene.riders import ObservedRiders


class RiderRule(CandidateRule):
    """Subclasses have a name and `judge_riders`."""

    @abstractmethod
    def judge_riders(self, observed: ObservedRiders) -> Finding | NotReported:
        """The decision on a candidate."""

    def awaits(self, passage: Finding) -> AwaitsPictures:
        return AwaitsPictures(passage=passage)

    def why_not_candidate(self, track: Track) -> Reason | None:
        return None if vehicle_class_of(track) is VehicleClass.MOTORCYCLE else Reason.NOT_MOTORCYCLE
