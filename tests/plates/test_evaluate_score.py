"""The figures of an evaluation, with scripted results of the plate detector and the reader."""

from dataclasses import replace

import pytest
from evaluation import CROPS, FOREIGN, PHOTOS, evaluated_engines, found, no_progress, outcomes, read, row, write_table

from etle.types import Certainty
from pipeline.evaluation.costs import Costs, MeteredDetector, MeteredPlateDetector, MeteredReader, costs_of
from pipeline.evaluation.dataset import load_dataset
from pipeline.evaluation.peers import compare, sample
from pipeline.evaluation.report import as_json, report
from pipeline.evaluation.run import PhotoOutcome, PlateCase, run_engines
from pipeline.evaluation.score import score, size_name

LEFT, RIGHT = (10, 20, 60, 40), (110, 20, 180, 40)
NOTHING = Costs(detector_per_photo=None, finder_per_photo=None, finder_per_vehicle=None, readers_per_plate={}, readers=None, per_look=None)


def figures(folder, finds, reads):
    return as_figures(outcomes(folder, finds, reads))


def as_figures(results):
    return as_json(report(results, NOTHING, None, (), ()))


def test_a_plate_found_and_read_right(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1234XYZ", LEFT, plate_colour="black", expiry="05·27")])
    result = figures(tmp_path, {"a.png": found(LEFT)}, [read("B1234XYZ", colour="black", expiry="05·27")])
    assert result["n"] == 1
    shares = ("reader_exact", "finder_recall", "finder_precision", "end_to_end_exact", "character_accuracy", "expiry_exact", "colour_right")
    assert {result[key] for key in shares} == {1.0}
    assert result["foreign_read_as_indonesian"] is None
    assert result["crops_exact"] is None


@pytest.mark.parametrize(
    "box, recall, precision, end_to_end",
    [
        pytest.param((10, 20, 60, 30.1), 1.0, 1.0, 1.0, id="half of the box"),
        pytest.param((10, 20, 60, 29), 0.0, 0.0, 1.0, id="two fifths of it: not found, but its text counts"),
        pytest.param((10, 20, 60, 25), 0.0, 0.0, 0.0, id="a quarter of it: neither"),
        pytest.param((110, 20, 180, 40), 0.0, 0.0, 0.0, id="elsewhere"),
    ],
)
def test_the_iou_from_which_a_plate_counts_as_found_and_as_read(tmp_path, box, recall, precision, end_to_end):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1234XYZ", LEFT)])
    result = figures(tmp_path, {"a.png": found(box)}, [read("B1234XYZ")])
    assert (result["finder_recall"], result["finder_precision"], result["end_to_end_exact"]) == (recall, precision, end_to_end)


def test_a_plate_without_text_counts_for_detection_only(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "", LEFT), row("a.png", "B2A", RIGHT)])
    result = figures(tmp_path, {"a.png": found(LEFT)}, [read("B7Z"), read("B2A")])
    assert result["finder_recall"] == 0.5
    assert (result["n"], result["reader_exact"], result["end_to_end_exact"]) == (1, 1.0, 0.0)


def test_a_plate_without_box_accounts_for_one_unmatched_detection(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("a.png", "B2A")])
    once = figures(tmp_path, {"a.png": found(LEFT, RIGHT)}, [read("B1A"), read("")])
    assert (once["finder_recall"], once["finder_precision"], once["n"]) == (1.0, 1.0, 1)
    assert once["counts"]["plates_without_box"] == 1
    twice = figures(tmp_path, {"a.png": found(LEFT, RIGHT, (0, 50, 40, 70))}, [read("B1A"), read("")])
    assert twice["finder_precision"] == 0.5


def test_one_wrong_character_makes_the_plate_and_the_character_wrong(tmp_path):
    write_table(tmp_path, CROPS, [row("a.png", "B1234XYZ"), row("b.png", "B1234XYQ")])
    result = figures(tmp_path, {}, [read("B1234XYZ"), read("B1234XYO")])
    assert result["crops_exact"] == 0.5
    assert result["crops"]["character_accuracy"] == pytest.approx(15 / 16)
    assert result["n"] is None


def test_an_unread_plate_is_wrong_in_every_figure(tmp_path):
    write_table(tmp_path, CROPS, [row("a.png", "B1234XYZ", expiry="05·27", plate_colour="black")])
    crops = figures(tmp_path, {}, [read("")])["crops"]
    assert (crops["reader_exact"], crops["character_accuracy"], crops["expiry_exact"], crops["colour_right"]) == (0, 0, 0, 0)


def with_certainty(case: PlateCase, certainty: Certainty) -> PlateCase:
    """The case with this certainty instead of the vote's."""
    assert case.given is not None
    return replace(case, given=replace(case.given, certainty=certainty))


def test_certain_and_wrong_plates_are_counted_with_their_confidence_interval(tmp_path):
    write_table(tmp_path, CROPS, [row(f"{i}.png", f"B{i}A") for i in range(1, 6)])
    results = outcomes(tmp_path, {}, [read("B1A"), read("B2A"), read("B3A"), read("B9A"), read("B5A")])
    cases = tuple(with_certainty(case, Certainty.CHECK if case.truth.text == "B5A" else Certainty.CERTAIN) for case in results.crops)
    counted = as_figures(replace(results, crops=cases))["crops"]["certain"]
    assert (counted["n"], counted["wrong"], counted["error"], counted["coverage"]) == (4, 1, 0.25, 0.8)
    assert counted["interval"] == pytest.approx((0.0063, 0.8059), abs=1e-4)


def foreign_photo(photo: PhotoOutcome, found: Certainty, given: Certainty) -> PhotoOutcome:
    plates = tuple(replace(plate, plate=replace(plate.plate, certainty=found)) for plate in photo.found)
    return replace(photo, found=plates, cases=tuple(with_certainty(case, given) for case in photo.cases))


@pytest.mark.parametrize(
    "found_as, given_as, photos, boxes, either",
    [
        pytest.param(Certainty.CHECK, Certainty.CHECK, 0, 0, 0, id="certain in neither"),
        pytest.param(Certainty.CERTAIN, Certainty.CHECK, 1, 0, 1, id="certain in the detected box"),
        pytest.param(Certainty.CHECK, Certainty.CERTAIN, 0, 1, 1, id="certain in the given box"),
        pytest.param(Certainty.CERTAIN, Certainty.CERTAIN, 1, 1, 1, id="certain in both counts as one photo"),
    ],
)
def test_foreign_plates_are_counted_in_photos_and_in_given_boxes(tmp_path, found_as, given_as, photos, boxes, either):
    write_table(tmp_path, FOREIGN, [row("a.png", "RK959AF", LEFT), row("b.png", "", LEFT), row("c.png", "", LEFT)])
    results = outcomes(tmp_path, {"a.png": found(LEFT), "c.png": found(LEFT)}, [read("B959AF"), read("B1234XYZ"), read("")])
    [read_twice, read_once, unread] = results.foreign
    changed = (foreign_photo(read_twice, found_as, given_as), foreign_photo(read_once, found_as, Certainty.CHECK), unread)
    figures = as_figures(replace(results, foreign=changed))
    assert figures["foreign_read_as_indonesian"] == either
    counts = figures["foreign"]
    assert (counts["photos_certain"], counts["boxes_certain"]) == (photos, boxes)
    assert (counts["photos"], counts["boxes"], counts["photos_with_text"], counts["boxes_with_text"]) == (3, 3, 1, 2)


def test_coverage_ranks_plates_by_the_probability_of_the_vote(tmp_path):
    write_table(tmp_path, CROPS, [row(f"{i}.png", f"B{i}A") for i in range(1, 5)])
    result = figures(tmp_path, {}, [read("B1A"), read("B2A"), read("B7A", 0.6), read("B4A")])
    assert result["crops"]["coverage_at_1_percent_error"] == 0.75


def test_splits_have_separate_figures_for_each_group(tmp_path):
    rows = [
        row("a.png", "B1A", LEFT, vehicle="car", source="east"),
        row("b.png", "B2A", RIGHT, vehicle="motorcycle", source="east"),
        row("c.png", "B3A", RIGHT, vehicle="motorcycle", source="west"),
    ]
    write_table(tmp_path, PHOTOS, rows)
    result = figures(tmp_path, {}, [read("B1A"), read("B2A"), read("B7A")])["splits"]
    assert {value: group["reader_exact"] for value, group in result["vehicle"].items()} == {"motorcycle": 0.5, "car": 1.0}
    assert {value: group["reader_exact"] for value, group in result["source"].items()} == {"east": 1.0, "west": 0.0}
    assert list(result["size"]) == ["40 to 59 px", "60 to 89 px"]
    assert result["colour"]["unknown"]["n"] == 3


def test_many_small_groups_are_summed_up_in_the_tables_and_all_are_in_the_figures(tmp_path):
    rows = [row(f"{i}.png", f"B{i}A", LEFT, source="street" if i <= 12 else f"https://example.org/{i}") for i in range(1, 43)]
    write_table(tmp_path, PHOTOS, rows)
    results = outcomes(tmp_path, {}, [read(f"B{i}A" if i != 40 else "B7Z") for i in range(1, 43)])
    made = report(results, NOTHING, None, (), ())
    tables = dict(made.tables)
    assert [(name, group.exact.count, group.exact.total) for name, group in tables["photos"]["source"].items()] == [
        ("street", 12, 12),
        ("others (30)", 29, 30),
    ]
    assert len(as_json(made)["splits"]["source"]) == 31
    assert list(tables["photos"]["size"]) == ["40 to 59 px"]


@pytest.mark.parametrize(
    "width, name",
    [(0.5, "0 to 39 px"), (39.9, "0 to 39 px"), (40, "40 to 59 px"), (239, "140 to 239 px"), (240, "from 240 px")],
)
def test_plate_widths_are_grouped_by_size(width, name):
    assert size_name(width) == name


def test_figures_of_no_plates_are_none():
    result = score(())
    values = (result.found.value, result.exact.value, result.coverage, result.calibration_error, result.characters)
    assert values == (None,) * 5


def test_costs_are_per_photo_and_per_plate_not_per_call(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("b.png", "B2A", LEFT)])
    engines = evaluated_engines(tmp_path, {"a.png": found(LEFT)}, [read("B1A"), read("B2A")])
    vehicles, plates, reader = (
        MeteredDetector(engines.vehicle_detector),
        MeteredPlateDetector(engines.plate_detector),
        MeteredReader(engines.readers[0]),
    )
    results = run_engines(
        load_dataset(tmp_path),
        replace(engines, vehicle_detector=vehicles, plate_detector=plates, readers=(reader,)),
        no_progress,
    )
    assert (results.photo_count, results.read_count) == (2, 3)
    assert (vehicles.meter.pictures, plates.whole.pictures, plates.vehicles.pictures) == (2, 2, 2)
    costs = costs_of(vehicles, plates, [reader], photos=results.photo_count, plates=results.read_count)
    assert costs.readers == costs.readers_per_plate["paint-reader"] == pytest.approx(1000 * reader.meter.spent_s / 3)
    assert costs.finder_per_photo == pytest.approx(1000 * (plates.whole.spent_s + plates.vehicles.spent_s) / 2)
    assert costs.finder_per_vehicle == pytest.approx(
        1000 * plates.vehicles.spent_s / 2
    )  # photos without a vehicle count as the crop of one


class RecordingReader:
    """Reads the same text on every crop and records the sizes of the crops."""

    name = "recording-reader"

    def __init__(self):
        self.sizes = []

    def text_of(self, crop):
        self.sizes.append(crop.shape[:2])
        return "B2A"


def test_peers_read_the_same_plates_with_a_narrow_margin(tmp_path):
    write_table(tmp_path, PHOTOS, [row("a.png", "B1A", LEFT), row("b.png", "B2A", LEFT)])
    write_table(tmp_path, CROPS, [row("c.png", "B2A")])
    results, peer_reader = outcomes(tmp_path, {}, [read("B1A"), read("B9A"), read("B2A")]), RecordingReader()
    compared = compare(sample(results, 2), [peer_reader], 30.0, None, no_progress)
    [peer] = compared.others
    assert (peer.given.count, peer.given.total, peer.crops.count, peer.crops.total) == (1, 2, 1, 1)
    assert (compared.ours.given.count, compared.ours.crops.count, compared.ours.cpu_ms) == (1, 1, 30.0)
    assert set(peer_reader.sizes) == {(22, 54), (100, 200)}
