"""What an evaluation counts, with a finder and a reader that say what the test wrote down for them."""

from dataclasses import replace

import pytest
from evaluation import CROPS, FOREIGN, PHOTOS, found, outcomes, read, row, silent, watchers, write_table

from etle.types import Certainty
from pipeline.evaluation.costs import Costs, MeteredDetector, MeteredPlateDetector, MeteredReader, costs_of
from pipeline.evaluation.dataset import load_truth
from pipeline.evaluation.peers import compare, sample
from pipeline.evaluation.report import as_json, report
from pipeline.evaluation.run import PhotoOutcome, PlateCase, look
from pipeline.evaluation.score import score, size_name

LEFT, RIGHT = (10, 20, 60, 40), (110, 20, 180, 40)
NOTHING = Costs(detector_per_photo=None, finder_per_photo=None, finder_per_vehicle=None, readers_per_plate={}, readers=None, per_look=None)


def figures(folder, finds, reads):
    return told(outcomes(folder, finds, reads))


def told(looked):
    return as_json(report(looked, NOTHING, None, (), ()))


def test_a_plate_found_and_read_right(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1234XYZ", LEFT, plate_colour="black", expiry="05·27")])
    told = figures(tmp_path, {"a.png": found(LEFT)}, [read("B1234XYZ", colour="black", expiry="05·27")])
    assert told["n"] == 1
    shares = ("reader_exact", "finder_recall", "finder_precision", "end_to_end_exact", "character_accuracy", "expiry_exact", "colour_right")
    assert {told[key] for key in shares} == {1.0}
    assert told["foreign_read_as_indonesian"] is None
    assert told["crops_exact"] is None


@pytest.mark.parametrize(
    "box, recall, precision, end_to_end",
    [
        pytest.param((10, 20, 60, 30.1), 1.0, 1.0, 1.0, id="half of it"),
        pytest.param((10, 20, 60, 29), 0.0, 0.0, 1.0, id="two fifths: not found, yet its text counts"),
        pytest.param((10, 20, 60, 25), 0.0, 0.0, 0.0, id="a quarter: neither"),
        pytest.param((110, 20, 180, 40), 0.0, 0.0, 0.0, id="elsewhere"),
    ],
)
def test_how_well_a_box_must_fit(tmp_path, box, recall, precision, end_to_end):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1234XYZ", LEFT)])
    told = figures(tmp_path, {"a.png": found(box)}, [read("B1234XYZ")])
    assert (told["finder_recall"], told["finder_precision"], told["end_to_end_exact"]) == (recall, precision, end_to_end)


def test_a_plate_without_text_counts_for_finding_only(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "", LEFT), row("a.png", "B2A", RIGHT)])
    told = figures(tmp_path, {"a.png": found(LEFT)}, [read("B7Z"), read("B2A")])
    assert told["finder_recall"] == 0.5
    assert (told["n"], told["reader_exact"], told["end_to_end_exact"]) == (1, 1.0, 0.0)


def test_a_plate_without_box_excuses_one_find(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("a.png", "B2A")])
    once = figures(tmp_path, {"a.png": found(LEFT, RIGHT)}, [read("B1A"), read("")])
    assert (once["finder_recall"], once["finder_precision"], once["n"]) == (1.0, 1.0, 1)
    assert once["counts"]["plates_without_box"] == 1
    twice = figures(tmp_path, {"a.png": found(LEFT, RIGHT, (0, 50, 40, 70))}, [read("B1A"), read("")])
    assert twice["finder_precision"] == 0.5


def test_one_letter_wrong_costs_the_plate_and_a_character(tmp_path):
    write_table(tmp_path, CROPS, [row("a.png", "B1234XYZ"), row("b.png", "B1234XYQ")])
    told = figures(tmp_path, {}, [read("B1234XYZ"), read("B1234XYO")])
    assert told["crops_exact"] == 0.5
    assert told["crops"]["character_accuracy"] == pytest.approx(15 / 16)
    assert told["n"] is None


def test_what_is_not_read_is_wrong(tmp_path):
    write_table(tmp_path, CROPS, [row("a.png", "B1234XYZ", expiry="05·27", plate_colour="black")])
    crops = figures(tmp_path, {}, [read("")])["crops"]
    assert (crops["reader_exact"], crops["character_accuracy"], crops["expiry_exact"], crops["colour_right"]) == (0, 0, 0, 0)


def called(case: PlateCase, certainty: Certainty) -> PlateCase:
    """Whatever the vote says of it."""
    assert case.given is not None
    return replace(case, given=replace(case.given, certainty=certainty))


def test_certain_and_wrong_is_counted_with_what_it_may_be_in_truth(tmp_path):
    write_table(tmp_path, CROPS, [row(f"{i}.png", f"B{i}A") for i in range(1, 6)])
    looked = outcomes(tmp_path, {}, [read("B1A"), read("B2A"), read("B3A"), read("B9A"), read("B5A")])
    cases = tuple(called(case, Certainty.CHECK if case.truth.text == "B5A" else Certainty.CERTAIN) for case in looked.crops)
    counted = told(replace(looked, crops=cases))["crops"]["certain"]
    assert (counted["n"], counted["wrong"], counted["error"], counted["coverage"]) == (4, 1, 0.25, 0.8)
    assert counted["interval"] == pytest.approx((0.0063, 0.8059), abs=1e-4)


def foreign_photo(photo: PhotoOutcome, found: Certainty, given: Certainty) -> PhotoOutcome:
    plates = tuple(replace(plate, plate=replace(plate.plate, certainty=found)) for plate in photo.found)
    return replace(photo, found=plates, cases=tuple(called(case, given) for case in photo.cases))


@pytest.mark.parametrize(
    "found_as, given_as, photos, boxes, either",
    [
        pytest.param(Certainty.CHECK, Certainty.CHECK, 0, 0, 0, id="doubted in both"),
        pytest.param(Certainty.CERTAIN, Certainty.CHECK, 1, 0, 1, id="certain where it was found"),
        pytest.param(Certainty.CHECK, Certainty.CERTAIN, 0, 1, 1, id="certain in its given box"),
        pytest.param(Certainty.CERTAIN, Certainty.CERTAIN, 1, 1, 1, id="certain in both, which is one photo"),
    ],
)
def test_foreign_plates_are_counted_in_photos_and_in_given_boxes(tmp_path, found_as, given_as, photos, boxes, either):
    write_table(tmp_path, FOREIGN, [row("a.png", "RK959AF", LEFT), row("b.png", "", LEFT), row("c.png", "", LEFT)])
    looked = outcomes(tmp_path, {"a.png": found(LEFT), "c.png": found(LEFT)}, [read("B959AF"), read("B1234XYZ"), read("")])
    [read_twice, read_once, unread] = looked.foreign
    changed = (foreign_photo(read_twice, found_as, given_as), foreign_photo(read_once, found_as, Certainty.CHECK), unread)
    figures = told(replace(looked, foreign=changed))
    assert figures["foreign_read_as_indonesian"] == either
    counts = figures["foreign"]
    assert (counts["photos_certain"], counts["boxes_certain"]) == (photos, boxes)
    assert (counts["photos"], counts["boxes"], counts["photos_with_text"], counts["boxes_with_text"]) == (3, 3, 1, 2)


def test_coverage_goes_by_the_probability_of_the_vote(tmp_path):
    write_table(tmp_path, CROPS, [row(f"{i}.png", f"B{i}A") for i in range(1, 5)])
    told = figures(tmp_path, {}, [read("B1A"), read("B2A"), read("B7A", 0.6), read("B4A")])
    assert told["crops"]["coverage_at_1_percent_error"] == 0.75


def test_splits_show_each_group_apart(tmp_path):
    rows = [
        row("a.png", "B1A", LEFT, vehicle="car", source="east"),
        row("b.png", "B2A", RIGHT, vehicle="motorcycle", source="east"),
        row("c.png", "B3A", RIGHT, vehicle="motorcycle", source="west"),
    ]
    write_table(tmp_path, PHOTOS, rows)
    told = figures(tmp_path, {}, [read("B1A"), read("B2A"), read("B7A")])["splits"]
    assert {value: group["reader_exact"] for value, group in told["vehicle"].items()} == {"motorcycle": 0.5, "car": 1.0}
    assert {value: group["reader_exact"] for value, group in told["source"].items()} == {"east": 1.0, "west": 0.0}
    assert list(told["size"]) == ["40 to 59 px", "60 to 89 px"]
    assert told["colour"]["unknown"]["n"] == 3


@pytest.mark.parametrize(
    "width, name",
    [(0.5, "0 to 39 px"), (39.9, "0 to 39 px"), (40, "40 to 59 px"), (239, "140 to 239 px"), (240, "from 240 px")],
)
def test_a_plate_has_one_size(width, name):
    assert size_name(width) == name


def test_nothing_to_count_is_null():
    told = score(())
    assert (told.found.value, told.exact.value, told.coverage, told.calibration_error, told.characters) == (None, None, None, None, None)


def test_costs_are_over_photos_and_plates_and_not_over_calls(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("b.png", "B2A", LEFT)])
    by = watchers(tmp_path, {"a.png": found(LEFT)}, [read("B1A"), read("B2A")])
    detector, finder, reader = MeteredDetector(by.detector), MeteredPlateDetector(by.finder), MeteredReader(by.readers[0])
    looked = look(load_truth(tmp_path), replace(by, detector=detector, finder=finder, readers=(reader,)), silent)
    assert (looked.searched, looked.read) == (2, 3)
    assert (detector.meter.pictures, finder.whole.pictures, finder.vehicles.pictures) == (2, 2, 0)
    costs = costs_of(detector, finder, [reader], photos=looked.searched, plates=looked.read)
    assert costs.readers == costs.readers_per_plate["paint-reader"] == pytest.approx(1000 * reader.meter.spent_s / 3)
    assert costs.finder_per_photo == pytest.approx(1000 * finder.whole.spent_s / 2)
    assert (costs.finder_per_vehicle, costs.per_look) == (None, None)


class Parrot:
    """Says the same of every crop, and remembers their sizes."""

    name = "parrot"

    def __init__(self):
        self.sizes = []

    def text_of(self, crop):
        self.sizes.append(crop.shape[:2])
        return "B2A"


def test_peers_see_the_same_plates_with_a_narrow_rim(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("b.png", "B2A", LEFT)])
    write_table(tmp_path, CROPS, [row("c.png", "B2A")])
    looked, parrot = outcomes(tmp_path, {}, [read("B1A"), read("B9A"), read("B2A")]), Parrot()
    compared = compare(sample(looked, 2), [parrot], 30.0, None, silent)
    [peer] = compared.others
    assert (peer.given.right, peer.given.of, peer.crops.right, peer.crops.of) == (1, 2, 1, 1)
    assert (compared.ours.given.right, compared.ours.crops.right, compared.ours.cpu_ms) == (1, 1, 30.0)
    assert set(parrot.sizes) == {(22, 54), (100, 200)}
