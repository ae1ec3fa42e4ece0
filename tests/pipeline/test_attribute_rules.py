"""Seat belt and phone: rules that decide by a classifier, and the classifier in the stage."""

from collections.abc import Sequence

import numpy as np
import pytest
from drawn import RED_LIGHT, AlwaysRed, ColourDetector, driving, frames, process_all, site, stage
from scenario import camera as plain_camera
from scenario import drive, second, track

from etle.config.site import CameraSettings
from etle.errors import ConfigError
from etle.types import AttributeRead, Box, Digest, Finding, VehicleClass
from pipeline.assembly import Engines, build_stage, rule_weights, shipped_law
from pipeline.attributes.search import AttributeSearch, part_of
from pipeline.detect.state import StageState
from pipeline.reprocess.variants import NoPlateDetector
from pipeline.rules import build_rules, needed_classifiers
from pipeline.rules.attribute_rule import AttributeRule
from pipeline.scene.attributes import AttributeView, ObservedAttribute
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Reason
from pipeline.scene.scene import Scene

BELT = {"rule": "seat_belt", "line": "henti", "classifier": "belt-2026", "label": "no_belt"}
PHONE = {"rule": "phone", "line": "henti", "classifier": "phone-2026", "label": "phone"}
OVER = drive((4.0, 30, 70))


def read(probability: float, label: str = "no_belt") -> AttributeRead:
    return AttributeRead(probabilities=((label, probability), ("other", 1 - probability)))


def view(n: int, probability: float, *, width: float = 200, clear: bool = True) -> AttributeView:
    return AttributeView(sequence=n, width_px=width, clear=clear, read=read(probability))


def rule(entry: dict[str, object]) -> AttributeRule:
    made = CameraSettings.model_validate({**plain_camera().model_dump(), "rules": [entry]})
    (built,) = build_rules(made, calibrate(made))
    assert isinstance(built, AttributeRule)
    return built


def decided(entry: dict[str, object], views: Sequence[AttributeView]):
    tested, seen = rule(entry), track(OVER)
    passage = Finding(rule=tested.name, track=seen.id, first_sequence=0, vehicle=VehicleClass.CAR, occurred_at=second(2), measured=())
    return tested.judge_attribute(ObservedAttribute(passage=passage, track=seen, views=tuple(views)))


def reason_of(outcome) -> Reason:
    return Reason.REPORTED if isinstance(outcome, Finding) else outcome.reason


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param([0.95, 0.97, 0.99], Reason.REPORTED, id="three views without a belt"),
        pytest.param([0.95, 0.97, 0.99, 0.6, 0.4], Reason.REPORTED, id="and two that are not certain"),
        pytest.param([0.95, 0.97, 0.99, 0.02], Reason.REPORTED, id="and one with a belt"),
        pytest.param([0.95, 0.97, 0.99, 0.02, 0.03], Reason.ATTRIBUTE_NOT_SEEN, id="and two with a belt"),
        pytest.param([0.95, 0.97], Reason.ATTRIBUTE_NOT_SEEN, id="two views"),
        pytest.param([0.8, 0.85, 0.89], Reason.ATTRIBUTE_NOT_SEEN, id="none is certain"),
        pytest.param([0.05, 0.02, 0.5], Reason.ATTRIBUTE_ABSENT, id="with a belt"),
        pytest.param([], Reason.ATTRIBUTE_NOT_SEEN, id="no pictures"),
    ],
)
def test_decision(probabilities, expected):
    assert reason_of(decided(BELT, [view(n, p) for n, p in enumerate(probabilities)])) is expected


@pytest.mark.parametrize("change", [{"width": 100}, {"clear": False}])
def test_small_and_hidden_vehicles_do_not_count(change):
    views = [view(0, 0.95), view(1, 0.95), view(2, 0.95, **change)]
    assert reason_of(decided(BELT, views)) is Reason.ATTRIBUTE_NOT_SEEN


def test_it_is_a_lead_that_names_the_classifier():
    found = decided(BELT, [view(n, p) for n, p in enumerate([0.95, 0.93, 0.99])])
    assert found.marks == ("lead",) and found.facts == (("classifier", "belt-2026"),)
    assert [(each.name, each.value) for each in found.measured] == [("views_of_offence", 3), ("least_probability", 0.93)]


@pytest.mark.parametrize(
    ("vehicle", "expected"),
    [
        (VehicleClass.CAR, Reason.PICTURES_AWAITED),
        (VehicleClass.TRUCK, Reason.PICTURES_AWAITED),
        (VehicleClass.MOTORCYCLE, Reason.CLASS_UNCERTAIN),
    ],
)
def test_four_wheels_are_judged(vehicle, expected):
    (judgement,) = rule(PHONE).judge(Scene(now=second(4), tracks=(track(OVER, vehicle=vehicle),), ended=(), signals={}))
    assert judgement.reason is expected


@pytest.mark.parametrize("area", [[0.5, 0, 0.5, 1], [0, 0, 1, 1.2]])
def test_an_area_without_a_size_is_refused(area):
    with pytest.raises(ConfigError, match="from 0 to 1"):
        rule({**BELT, "area": area})


def test_the_part_of_a_vehicle_that_leaves_the_picture_is_cut():
    image = np.zeros((100, 200, 3), np.uint8)
    assert part_of(image, Box(150, 50, 250, 150), Box(0, 0, 1, 0.5)).shape == (49, 49, 3)
    assert part_of(image, Box(190, 90, 200, 100), Box(0.99, 0.99, 1, 1)).shape == (1, 1, 3)


class Always:
    """The same answer for every crop."""

    name, digest, labels = "always", Digest("e" * 64), ("no_belt", "other")

    def __init__(self, probability: float) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._probability = probability

    def classify(self, crops: Sequence[np.ndarray]) -> Sequence[AttributeRead]:
        self.shapes += [crop.shape for crop in crops]
        return [read(self._probability) for _ in crops]


SMALL = {**BELT, "min_width_px": 30}


@pytest.mark.parametrize("probability", [0.95, 0.05])
def test_the_stage_reports_what_the_classifier_sees(probability):
    classifier = Always(probability)
    made = stage(site(SMALL), attributes=AttributeSearch({"belt-2026": classifier}))
    found = process_all(made, frames([driving(0, 40, 30, 70)], 70))
    assert [(each.rule, each.article.offence, each.marks) for each in found] == [("seat_belt", "BELT", ("lead",))][: probability > 0.5]
    assert 3 <= len(classifier.shapes) <= 6


def test_motorcycles_cost_nothing():
    classifier = Always(0.95)
    made = stage(site(SMALL), detector=ColourDetector(VehicleClass.MOTORCYCLE), attributes=AttributeSearch({"belt-2026": classifier}))
    assert process_all(made, frames([driving(0, 40, 30, 70)], 70)) == [] and classifier.shapes == []


def test_a_label_that_the_classifier_does_not_know_is_named():
    watched = site({**BELT, "label": "nobelt"})
    engines = Engines(
        detector=ColourDetector(),
        plate_detector=NoPlateDetector(),
        readers=(),
        tiebreaker=None,
        lamps=AlwaysRed(),
        attributes={"belt-2026": Always(1)},
    )
    with pytest.raises(ConfigError, match="has no label 'nobelt': no_belt, other"):
        build_stage(watched, watched.cameras[0], engines, shipped_law(), StageState(fingerprint=Digest("a" * 64), run="r"))


def test_the_weights_that_rules_need_are_known():
    assert needed_classifiers(plain_camera(BELT, PHONE)) == {"belt-2026", "phone-2026"}
    assert rule_weights(site(BELT)) == ("belt-2026",)
    assert rule_weights(site({"rule": "no_helmet", "line": "henti"})) == ("vehicles", "heads")
    assert rule_weights(site(RED_LIGHT)) == ()
