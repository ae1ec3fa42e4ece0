"""Tables of labelled plates: their fields, and errors in them."""

import pytest
from evaluation import row, write_table

from etle.errors import ConfigError
from etle.types import Box, PlateColour
from pipeline.evaluation.dataset import load_dataset

PHOTOS, CROPS, FOREIGN = "plates_full.csv", "plate_crops.csv", "plates_foreign.csv"
BOX = (10, 20, 60, 40)


def test_rows_of_one_photo_come_together(tmp_path):
    rows = [row("a.png", "B1A", BOX, vehicle="car"), row("b.png", "B2A", BOX), row("a.png", "", (100, 20, 150, 40))]
    photos = load_dataset(write_table(tmp_path, PHOTOS, rows)).photos
    assert [(photo.name, [plate.text for plate in photo.plates]) for photo in photos] == [("a.png", ["B1A", None]), ("b.png", ["B2A"])]
    assert photos[0].plates[0].box == Box(*BOX)
    assert (photos[0].plates[0].vehicle, photos[0].plates[1].vehicle) == ("car", "unknown")


@pytest.mark.parametrize(
    "fields, key, value",
    [
        pytest.param({"plate_text": "b 1234 xyz"}, "text", "B1234XYZ", id="spaces and small letters"),
        pytest.param({"plate_text": "B-1234-XYZ"}, "text", "B1234XYZ", id="hyphens as separators"),
        pytest.param({"plate_text": "1234-VII"}, "text", "1234-VII", id="the hyphen of a service plate"),
        pytest.param({"plate_text": "B12?4XYZ"}, "text", None, id="a character that nobody could read"),
        pytest.param({"plate_text": " "}, "text", None, id="blank"),
        pytest.param({"expiry": "05.27"}, "expiry", "05·27", id="expiry with a dot"),
        pytest.param({"expiry": "05·27"}, "expiry", "05·27", id="expiry with a middle dot"),
        pytest.param({"expiry": "0527"}, "expiry", "05·27", id="expiry of four digits"),
        pytest.param({"expiry": "05/27"}, "expiry", "05·27", id="expiry with a stroke"),
        pytest.param({"expiry": "5.27"}, "expiry", "05·27", id="expiry that a spreadsheet stored as a number"),
        pytest.param({"expiry": "527"}, "expiry", "05·27", id="expiry of four digits that a spreadsheet stored as a number"),
        pytest.param({"expiry": "1327"}, "expiry", None, id="no such month"),
        pytest.param({"plate_colour": "White"}, "colour", PlateColour.WHITE, id="colour"),
        pytest.param({"plate_colour": "purple"}, "colour", None, id="no such colour"),
    ],
)
def test_fields_of_a_row(tmp_path, fields, key, value):
    [photo] = load_dataset(write_table(tmp_path, PHOTOS, [{**row("a.png", "B1A", BOX), **fields}])).photos
    assert getattr(photo.plates[0], key) == value


@pytest.mark.parametrize("fields", [{"plate_text": "B12?4XYZ"}, {"expiry": "1327"}, {"plate_colour": "purple"}])
def test_an_invalid_field_counts_as_blank_with_a_remark(tmp_path, fields):
    remarks = load_dataset(write_table(tmp_path, PHOTOS, [{**row("a.png", "B1A", BOX), **fields}])).remarks
    assert any("row 2" in remark and next(iter(fields.values())) in remark for remark in remarks)


@pytest.mark.parametrize("name", [PHOTOS, CROPS, FOREIGN])
def test_one_table_is_enough_and_remarks_name_the_missing_ones(tmp_path, name):
    dataset = load_dataset(write_table(tmp_path, name, [row("a.png", "B1A", BOX if name != CROPS else None)]))
    tables = {PHOTOS: dataset.photos, CROPS: dataset.crops, FOREIGN: dataset.foreign}
    assert [table for table, pictures in tables.items() if pictures is not None] == [name]
    assert len([remark for remark in dataset.remarks if "does not exist" in remark]) == 2


def test_a_box_slightly_outside_is_clipped_to_the_picture(tmp_path):
    [photo] = load_dataset(write_table(tmp_path, PHOTOS, [row("a.png", "B1A", (-1, 20, 60, 100.5))])).photos
    assert photo.plates[0].box == Box(0, 20, 60, 100)


def test_a_limit_takes_pictures_spread_evenly(tmp_path):
    dataset = load_dataset(write_table(tmp_path, CROPS, [row(f"{i}.png", f"B{i}A") for i in range(1, 11)]), limit=3)
    assert [picture.name for picture in dataset.crops] == ["1.png", "4.png", "7.png"]


@pytest.mark.parametrize(
    "rows, message",
    [
        pytest.param([row("a.png", "B1A", (10, 20, 210, 40))], "lies outside the picture of 200 x 100", id="box across the border"),
        pytest.param([row("a.png", "B1A", (300, 20, 350, 40))], "lies outside", id="box outside the picture"),
        pytest.param([row("a.png", "B1A", (60, 20, 10, 40))], "is empty", id="box from right to left"),
        pytest.param([row("a.png", "B1A", BOX) | {"x2": ""}], "four numbers or all blank", id="half a box"),
        pytest.param([row("a.png", "B1A", BOX) | {"x2": "wide"}], "four numbers or all blank", id="a box of words"),
        pytest.param([row("a.png", "B1A", BOX) | {"x2": "nan"}], "is empty", id="a box with NaN"),
        pytest.param([row("a.png", "B1A", BOX), row("a.png", "B2A", BOX)], "row 3: duplicate of row 2", id="the same box twice"),
        pytest.param(
            [row("a.png", "B1A"), row("a.png", "B1A")],
            "duplicate of row 2",
            id="the same text twice without a box",
        ),
        pytest.param([row("a.png", "B1A", BOX) | {"file": ""}], "row 2: `file` is empty", id="no file"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    folder = write_table(tmp_path, PHOTOS, [row(fields["file"]) for fields in rows if fields["file"]])
    write_table(tmp_path, PHOTOS, rows, pictures=False)
    with pytest.raises(ConfigError, match=message):
        load_dataset(folder)


def test_a_crop_with_two_plates_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="duplicate"):
        load_dataset(write_table(tmp_path, CROPS, [row("a.png", "B1A"), row("a.png", "B2A")]))


def test_a_missing_and_a_broken_picture_are_both_named_at_once(tmp_path):
    write_table(tmp_path, PHOTOS, [row("gone.png", "B1A", BOX), row("broken.png", "B1A", BOX)])
    (tmp_path / "gone.png").unlink()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError) as caught:
        load_dataset(tmp_path)
    assert "gone.png cannot be read" in str(caught.value)
    assert "broken.png cannot be decoded (10 bytes)" in str(caught.value)


def test_the_error_for_an_empty_folder_names_the_tables(tmp_path):
    with pytest.raises(ConfigError, match=r"contains none of plates_full\.csv, plate_crops\.csv, plates_foreign\.csv"):
        load_dataset(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / CROPS).write_text("file,text\na.png,B1A\n")
    with pytest.raises(ConfigError, match="has no column plate_text"):
        load_dataset(tmp_path)


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path):
    write_table(tmp_path, CROPS, [row("a.png", "B1A")])
    (tmp_path / CROPS).write_bytes("\ufefffile,plate_text,extra\r\na.png,B 1 A,x\r\n".encode())
    assert load_dataset(tmp_path).crops[0].plates[0].text == "B1A"
