"""Rendered plates: texts, boxes, and reproducibility by seed."""

import hashlib
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from etle.plates import is_plate, parse, parse_expiry
from etle.plates.fsm import DIGITS, LETTERS, plate_fsm
from etle.plates.tables import shipped_tables
from etle.types import PlateColour, VehicleClass
from models.synthetic.plates import CapturedPlate, RenderedPlate, capture_plate, render_negative, render_plate
from models.synthetic.plates.alphabet import sample_alphabet
from models.synthetic.plates.typeface import GLYPH_HEIGHT, Typeface

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.slow


def rendered(count: int, seed: int = 5, vehicle: VehicleClass | None = None) -> list[RenderedPlate]:
    rng = np.random.default_rng(seed)
    return [render_plate(rng, vehicle=vehicle) for _ in range(count)]


@pytest.fixture(scope="module")
def plates() -> list[RenderedPlate]:
    return rendered(400)


@pytest.fixture(scope="module")
def captures(plates: list[RenderedPlate]) -> list[CapturedPlate]:
    rng = np.random.default_rng(6)
    return [capture_plate(plate, rng) for plate in plates]


def test_every_text_has_the_shape_of_a_civil_plate(plates: list[RenderedPlate]) -> None:
    assert [plate.text for plate in plates if not is_plate(plate.text)] == []
    assert [plate.text for plate in plates if plate_fsm().weight(plate.text) is None] == []


def test_every_letter_and_digit_occurs_and_every_length_of_suffix(plates: list[RenderedPlate]) -> None:
    assert set("".join(plate.text for plate in plates)) == set(DIGITS + LETTERS)
    assert {len(parse(plate.text).suffix) for plate in rendered(500, seed=9)} == {0, 1, 2, 3}


def test_known_and_unknown_area_codes_occur(plates: list[RenderedPlate]) -> None:
    known = sum(shipped_tables().area(parse(plate.text).prefix) is not None for plate in plates)
    assert 0.7 * len(plates) < known < 0.98 * len(plates)


def test_every_colour_occurs_white_and_black_most(plates: list[RenderedPlate]) -> None:
    colours = Counter(plate.colour for plate in plates)
    assert set(colours) == set(PlateColour) - {PlateColour.UNKNOWN}
    assert {colour for colour, _ in colours.most_common(2)} == {PlateColour.WHITE, PlateColour.BLACK}


def test_letters_are_light_on_black_and_red_and_dark_on_the_others(plates: list[RenderedPlate]) -> None:
    assert {plate.colour for plate in plates if plate.light_letters} == {PlateColour.BLACK, PlateColour.RED}


def test_expiries_are_month_and_year_and_some_plates_have_none(plates: list[RenderedPlate]) -> None:
    expiries = [plate.expiry for plate in plates if plate.expiry is not None]
    assert all(parse_expiry(expiry) == expiry for expiry in expiries)
    assert 0 < len(plates) - len(expiries) < 0.15 * len(plates)
    assert all((plate.expiry is None) == (plate.expiry_box is None) for plate in plates)


def test_each_character_has_a_box_inside_the_main_box_from_left_to_right(plates: list[RenderedPlate]) -> None:
    for plate in plates:
        boxes = plate.character_boxes
        assert len(boxes) == len(plate.text)
        assert all(left.x1 < right.x1 for left, right in itertools.pairwise(boxes)), plate.text
        assert min(box.x1 for box in boxes) == plate.main_box.x1
        assert max(box.y2 for box in boxes) == plate.main_box.y2


def test_boxes_lie_on_the_plate_and_the_expiry_below_the_number(plates: list[RenderedPlate]) -> None:
    for plate in plates:
        height, width = plate.image.shape[:2]
        for box in (plate.main_box, plate.expiry_box or plate.main_box):
            assert 0 <= box.x1 < box.x2 <= width
            assert 0 <= box.y1 < box.y2 <= height
        if plate.expiry_box is not None:
            assert plate.expiry_box.centre.y > plate.main_box.y2


def test_every_character_has_contrast(plates: list[RenderedPlate]) -> None:
    for plate in plates:
        for box in plate.character_boxes:
            part = plate.image[int(box.y1) : int(box.y2), max(0, int(box.x1) - 4) : int(box.x2) + 4]
            assert part.std(axis=(0, 1)).max() > 10, plate.text


def test_motorcycle_plates_are_narrower_and_their_numbers_are_in_the_range_of_the_class() -> None:
    motorcycles, cars = rendered(150, vehicle=VehicleClass.MOTORCYCLE), rendered(150, vehicle=VehicleClass.CAR)
    assert max(p.image.shape[1] for p in motorcycles) < min(p.image.shape[1] for p in cars)
    for vehicle, examples in ((VehicleClass.MOTORCYCLE, motorcycles), (VehicleClass.CAR, cars)):
        tables, plates = shipped_tables(), [parse(plate.text) for plate in examples]
        fitting = sum(vehicle in tables.vehicles(plate.prefix, plate.number or 0) for plate in plates)
        assert fitting > 0.7 * len(plates)


def digest(seed: int) -> str:
    rng = np.random.default_rng(seed)
    plate = render_plate(rng)
    capture = capture_plate(plate, rng)
    parts = (
        plate.image.tobytes(),
        capture.image.tobytes(),
        render_negative(rng).tobytes(),
        repr((plate.text, capture.main_corners)).encode(),
    )
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_seed_determines_the_images() -> None:
    assert [digest(seed) for seed in range(12)] == [digest(seed) for seed in range(12)]
    assert len({digest(seed) for seed in range(12)}) == 12


def test_a_capture_keeps_text_and_colour_of_the_plate(plates: list[RenderedPlate], captures: list[CapturedPlate]) -> None:
    for plate, capture in zip(plates, captures, strict=True):
        assert (capture.text, capture.colour) == (plate.text, plate.colour)
        assert capture.expiry in (None, plate.expiry)
        assert (capture.expiry is None) == (capture.expiry_corners is None)
    assert 0.2 < sum(capture.expiry is not None for capture in captures) / len(captures) < 0.7


def test_the_detected_box_does_not_cut_the_number(captures: list[CapturedPlate]) -> None:
    for capture in captures:
        height, width = capture.image.shape[:2]
        assert all(-0.03 * width - 2 <= corner.x <= 1.03 * width + 2 for corner in capture.main_corners)
        assert all(-0.04 * width - 2 <= corner.y <= height + 0.04 * width + 2 for corner in capture.main_corners)


def test_sightings_are_small_and_large_dark_and_bright_level_and_tilted(captures: list[CapturedPlate]) -> None:
    widths = [capture.image.shape[1] for capture in captures]
    greys = [float(capture.image.mean()) for capture in captures]
    slopes = [abs((s.main_corners[1].y - s.main_corners[0].y) / (s.main_corners[1].x - s.main_corners[0].x)) for s in captures]
    assert min(widths) < 45 < 250 < max(widths)
    assert min(greys) < 20 < 200 < max(greys)
    assert max(slopes) > np.tan(np.radians(12))
    assert np.median(slopes) < np.tan(np.radians(5))


def test_negatives_have_the_shape_of_a_crop_and_vary() -> None:
    rng = np.random.default_rng(3)
    pictures = [render_negative(rng) for _ in range(80)]
    assert all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[0] >= 8 and p.shape[1] >= 24 for p in pictures)
    spreads = [float(p.std()) for p in pictures]
    assert min(spreads) < 8 < 40 < max(spreads)


def test_characters_that_readers_confuse_differ_in_every_alphabet() -> None:
    for number in range(40):
        alphabet = sample_alphabet(np.random.default_rng(number))
        for one, other in ("OQ", "CG", "DO", "HW", "MN", "UV", "1I", "0Q", "8B"):
            assert alphabet[one] != alphabet[other], f"{one} and {other} in alphabet {number}"


def test_all_characters_of_a_typeface_have_the_same_height_and_none_is_empty() -> None:
    face = Typeface(11)
    masks = {character: face.mask(character) for character in DIGITS + LETTERS}
    assert {mask.shape[0] for mask in masks.values()} == {GLYPH_HEIGHT}
    assert all(0.05 < float((mask > 127).mean()) < 0.98 for mask in masks.values())


def test_bold_characters_stay_distinguishable() -> None:
    """There is space between the sides of an H, and the tail of a Q is visible."""
    for number in range(100):
        face = Typeface(number)
        quarter = face.mask("H")[GLYPH_HEIGHT // 4] > 127
        assert float(quarter.mean()) < 0.83, f"typeface {number}: H"
    tails = [_ink_at_lower_right(Typeface(number).mask("Q")) for number in range(100)]
    assert float(np.quantile(tails, 0.1)) > 0.02


def _ink_at_lower_right(mask: "NDArray[np.uint8]") -> float:
    """Fraction of ink in the lower right quarter minus that in the lower left one."""
    low = mask[GLYPH_HEIGHT // 2 :] > 127
    half = mask.shape[1] // 2
    return float(low[:, -half:].mean() - low[:, :half].mean())
