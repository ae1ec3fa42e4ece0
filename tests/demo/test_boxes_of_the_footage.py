"""Tracker and rules on the visible boxes of the bundled footage's ground truth, without detector and pictures."""

import json

import pytest

from benchmark.rendered_clips.boxes import judged_boxes
from etle.config.packaged import configs_folder

DEMO = configs_folder() / "demo"


@pytest.mark.slow
def test_all_violations_are_found_by_their_vehicle_and_no_others():
    assert judged_boxes(DEMO) == {"violations": 5, "found": 5, "right": 5, "false": 0, "missed": []}


def test_the_ground_truth_knows_the_signal_and_what_each_vehicle_does_at_the_line():
    clip = json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))["cameras"]["demo-masuk"]
    assert clip["signal"] == [[0.0, "yellow"], [3.0, "red"], [29.0, "green"]]
    behaviours = {vehicle["id"]: vehicle["behaviour"] for vehicle in clip["vehicles"]}
    assert (behaviours["car-201"], behaviours["motorcycle-202"]) == ("stops_then_red_light", "stop_line")
