"""Rules that judge a vehicle once its plate is known. A plate that is not certain decides nothing."""

from abc import abstractmethod
from typing import ClassVar

from etle.plates import ParsedPlate, PlateKind, parse
from etle.types import Certainty, Finding, Plate
from pipeline.rules.candidate_rule import CandidateRule
from pipeline.scene.identified import IdentifiedVehicle
from pipeline.scene.judgement import AwaitsPlate, NotReported


class PlateRule(CandidateRule):
    """Subclasses have a name and `judge_plate`."""

    views: ClassVar[int] = 1
    """Number of frames in which the plate is read at least, if the vehicle is seen in so many."""

    @abstractmethod
    def judge_plate(self, vehicle: IdentifiedVehicle) -> Finding | NotReported:
        """The decision on a candidate."""

    def awaits(self, passage: Finding) -> AwaitsPlate:
        return AwaitsPlate(passage=passage)


def certain_plate(plate: Plate, *, frames: int = 1) -> ParsedPlate | None:
    """The plate, if its text is certain, has the shape of one and was read alike in so many frames; None if it decides nothing."""
    if plate.certainty is not Certainty.CERTAIN or plate.text is None:
        return None
    if len({sighting.sequence for sighting in plate.sightings if sighting.read.text == plate.text}) < frames:
        return None
    parsed = parse(plate.text)
    return None if parsed.kind is PlateKind.UNKNOWN else parsed
