"""Data sets from decided cases: which labels they get, that other tools read them, and that retention deletes them."""

import csv
import json
from datetime import timedelta

import cv2
import pytest
from decided_cases import MODEL, NOW, VEHICLE, Office

from etle.errors import ConfigError
from etle.types import Box, Detection, VehicleClass, Verdict
from models.training.labelled_crops import read_labelled
from pipeline.datasets.export import (
    DatasetContent,
    prune_dataset,
    read_index,
)
from pipeline.datasets.pictures import LabelOrigin
from pipeline.evaluation.dataset import load_dataset

OTHER = Box(200, 20, 300, 120)


class FindsTwo:
    """A vehicle detector that finds the vehicle of the case and another one, and something doubtful."""

    def detect(self, images):
        found = [(VEHICLE, VehicleClass.CAR, 0.9), (OTHER, VehicleClass.BUS, 0.8), (Box(0, 0, 20, 20), VehicleClass.CAR, 0.2)]
        return [tuple(Detection(box=box, vehicle=vehicle, score=score) for box, vehicle, score in found) for _ in images]


@pytest.fixture
def office() -> Office:
    office = Office()
    office.add(1, read="B1432GMC", decided="B1432GMC")
    office.add(2, read="B1432GMD", decided="B1432GMO", verdict=Verdict.WARN)
    return office


def test_texts_are_those_that_reviewers_decided(office, tmp_path):
    summary = office.export(tmp_path / "set", DatasetContent.PLATES, "plates")

    assert summary.labels == {"plate": 2}
    with (tmp_path / "set" / "plates_full.csv").open() as table:
        rows = {row["plate_text"]: row for row in csv.DictReader(table)}
    assert rows["B1432GMO"]["note"] == "corrected"
    assert rows["B1432GMC"]["note"] == ""
    assert [rows["B1432GMC"][side] for side in ("x1", "y1", "x2", "y2")] == ["60", "120", "120", "140"]
    assert rows["B1432GMC"]["plate_colour"] == "", "no reviewer checked it"


def test_our_own_commands_read_the_plate_table(office, tmp_path):
    office.export(tmp_path / "set", DatasetContent.PLATES, "plates")

    photos = load_dataset(tmp_path / "set").photos
    assert photos is not None
    assert sorted(plate.text or "" for photo in photos for plate in photo.plates) == ["B1432GMC", "B1432GMO"]
    assert sorted(crop.text for crop in read_labelled(tmp_path / "set")) == ["B1432GMC", "B1432GMO"]


def test_the_pictures_of_the_plate_table_are_the_evidence_unchanged(office, tmp_path):
    summary = office.export(tmp_path / "set", DatasetContent.PLATES, "plates")

    for picture in summary.index.pictures:
        data = (tmp_path / "set" / "images" / picture.split / picture.file).read_bytes()
        assert data == office.evidence.get(picture.evidence)


@pytest.mark.parametrize(
    ("read", "decided", "verdict"),
    [
        pytest.param("B1432GMC", "B1432GMC", Verdict.REJECT, id="rejected"),
        pytest.param("B1432GMC", "AD8751XY", Verdict.CONFIRM, id="another plate than the one in the box"),
        pytest.param(None, "B1432GMC", Verdict.CONFIRM, id="nothing was read in the box"),
    ],
)
def test_a_plate_that_no_reviewer_read_in_the_box_gives_no_label(tmp_path, read, decided, verdict):
    office = Office()
    office.add(1, read=read, decided=decided, verdict=verdict)
    assert office.export(tmp_path / "set", DatasetContent.PLATES, "plates").index.pictures == ()


def test_yolo_plates_are_in_crops_of_vehicles(office, tmp_path):
    summary = office.export(tmp_path / "set", DatasetContent.PLATES, "yolo")

    picture = summary.index.pictures[0]
    label = (tmp_path / "set" / "labels" / "train" / picture.file).with_suffix(".txt").read_text().split()
    image = cv2.imread(str(tmp_path / "set" / "images" / "train" / picture.file))
    height, width = image.shape[:2]
    x, y, w, h = (float(value) for value in label[1:])
    inside = image[round((y - h / 2) * height) + 2 : round((y + h / 2) * height) - 2, round((x - w / 2) * width) + 2 :][:, :50]
    assert label[0] == "0"
    assert inside.min() > 200, "the box encloses the white plate"
    assert (width, height) == (116, 116), "the vehicle with a margin of 8 %"


def test_yolo_vehicles_are_in_whole_frames_with_those_that_no_case_is_about(office, tmp_path):
    summary = office.export(tmp_path / "set", DatasetContent.VEHICLES, "yolo", detector=FindsTwo())

    assert [(label.name, label.origin) for label in summary.index.pictures[0].labels] == [
        ("car", LabelOrigin.REVIEWER),
        ("bus", LabelOrigin.DETECTOR),
    ]
    description = (tmp_path / "set" / "data.yaml").read_text()
    assert "0: car" in description
    assert "2: bus" in description


def test_coco_boxes_are_left_top_width_height(office, tmp_path):
    office.export(tmp_path / "set", DatasetContent.VEHICLES, "coco")

    document = json.loads((tmp_path / "set" / "annotations" / "instances_train.json").read_text())
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    assert [(names[each["category_id"]], each["bbox"]) for each in document["annotations"]] == [("car", [40, 50, 100, 100])] * 2
    assert all((tmp_path / "set" / image["file_name"]).is_file() for image in document["images"])


def test_a_vehicle_is_in_one_split_only(tmp_path):
    office = Office()
    for number in range(1, 41):
        office.add(number, read=f"B{1000 + number // 2}AB", decided=f"B{1000 + number // 2}AB")
    pictures = office.export(tmp_path / "set", DatasetContent.PLATES, "yolo", share=0.3).index.pictures

    splits: dict[str | None, set[str]] = {}
    for picture in pictures:
        splits.setdefault(picture.labels[0].text, set()).add(picture.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"train", "val"} == set().union(*splits.values())


def test_retention_leaves_out_old_cases_and_deletes_what_becomes_old(tmp_path):
    office = Office()
    office.add(1, read="B1432GMC", decided="B1432GMC", days_ago=31)
    office.add(2, read="B1433GMC", decided="B1433GMC", days_ago=20)
    office.add(3, read="B1434GMC", decided="B1434GMC", days_ago=1)
    summary = office.export(tmp_path / "set", DatasetContent.PLATES, "yolo")
    assert summary.too_old == 1
    assert len(summary.index.pictures) == 2

    assert prune_dataset(tmp_path / "set", NOW + timedelta(days=11)) == (1, 1)

    (left,) = read_index(tmp_path / "set").pictures
    assert left.labels[0].text == "B1434GMC"
    assert [path.name for path in (tmp_path / "set" / "images").rglob("*.jpg")] == [left.file]
    assert [path.stem for path in (tmp_path / "set" / "labels").rglob("*.txt")] == [left.sha256]
    assert prune_dataset(tmp_path / "set", NOW + timedelta(days=11)) == (0, 1)


def test_a_missing_or_changed_picture_is_counted_and_left_out(office, tmp_path):
    first, second = office.evidence.files
    del office.evidence.files[first]
    office.evidence.files[second] = b"changed"
    summary = office.export(tmp_path / "set", DatasetContent.PLATES, "plates")
    assert (summary.unreadable, summary.index.pictures) == (2, ())


def test_the_licence_names_the_models_whose_boxes_it_has(office, tmp_path):
    office.export(tmp_path / "set", DatasetContent.PLATES, "plates")
    text = (tmp_path / "set" / "LICENCE.md").read_text()
    assert f"- plate-finder ({MODEL[1]})" in text
    assert "personal data" in text


def test_nothing_is_written_over_another_folder(office, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        office.export(tmp_path / "set", DatasetContent.PLATES, "plates")


def test_vehicles_have_no_plate_table(office, tmp_path):
    with pytest.raises(ConfigError, match="--format yolo or coco"):
        office.export(tmp_path / "set", DatasetContent.VEHICLES, "plates")


def test_a_folder_that_is_no_data_set_is_not_pruned(tmp_path):
    with pytest.raises(ConfigError, match="not a data set"):
        prune_dataset(tmp_path, NOW)
