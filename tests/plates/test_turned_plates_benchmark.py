"""The plates that `benchmark.turned_plates` puts on photos: where, how they are turned, and that no labelled plate is beside them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.turned_plates import composite
from etle.geometry import intersection_area
from etle.types import Box
from pipeline.evaluation.dataset import LabelledPhoto, LabelledPlate

LEFT_HALF = Box(0, 0, 600, 900)
"""Of the photo; it is scaled to 640 x 640."""


@pytest.fixture
def photo(tmp_path: Path) -> LabelledPhoto:
    """A black photo, whose left half is labelled as a plate."""
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.zeros((900, 1200, 3), np.uint8))
    labelled = LabelledPlate(row=1, text="B 1 A", box=LEFT_HALF, vehicle="car", colour=None, source="", expiry=None)
    return LabelledPhoto(name="photo.png", path=path, plates=(labelled,))


@pytest.mark.parametrize("turned_deg", [0.0, 25.0, -40.0])
def test_a_plate_is_turned_in_a_loose_box_beside_the_labelled_ones(photo: LabelledPhoto, turned_deg: float):
    white = np.full((60, 200, 3), 255, np.uint8)
    for seed in range(5):
        made = composite(white, photo, 100.0, turned_deg, np.random.default_rng(seed))
        ys, xs = np.nonzero(made.image[..., 0] > 128)
        shown = Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        ((_, _), sides, angle) = cv2.minAreaRect(np.column_stack((xs, ys)).astype(np.float32))
        assert max(sides) == pytest.approx(100, abs=2) and min(sides) == pytest.approx(30, abs=2)
        assert abs(np.cos(np.radians(2 * (angle + turned_deg)))) > 0.99
        assert intersection_area(made.plate_box, shown) > 0.97 * shown.area
        assert shown.width - 2 <= made.plate_box.width <= 1.2 * shown.width + 2 and made.plate_box.height <= 1.2 * shown.height + 2
        assert intersection_area(made.plate_box, Box(0, 0, 320, 640)) == 0
