"""The stated error of a calibration covers the true one, and a distorted lens is found from ground points."""

from dataclasses import dataclass
from random import Random
from statistics import mean

import pytest
from scenario import camera

from etle.config.site import CameraSettings, Lens
from etle.errors import ConfigError
from etle.geometry import distance
from etle.types import Point
from pipeline.scene.calibration import Calibration, calibrate
from pipeline.scene.lens import RadialLens, radial_lens
from pipeline.site_setup.calibration_report import fit_lens, report_calibration

SIZE = (1920, 1080)
METRES = [(x, y) for x in (0.0, 3.0, 6.0) for y in (0.0, 4.0, 9.0, 15.0)]
NEW_METRES = [(1.5, 2.0), (4.5, 6.0), (1.5, 12.0), (4.0, 3.0)]


@dataclass
class Road:
    """A camera above a road, with a lens that may be distorted."""

    lens: RadialLens | None = None

    def pixel(self, m: tuple[float, float]) -> Point:
        away = 1 + 0.07 * m[1]
        straight = Point(960 + (m[0] - 3) * 260 / away, 250 + 780 / away)
        return self.lens.distorted(straight) if self.lens else straight

    def settings(self, noise_px: float = 0.0, seed: int = 0, metres: list[tuple[float, float]] = METRES) -> CameraSettings:
        draws = Random(seed)
        pixels = [tuple(value + draws.gauss(0, noise_px) for value in self.pixel(m)) for m in metres]
        points = [{"px": px, "m": m} for px, m in zip(pixels, metres, strict=True)]
        made = camera().model_dump(exclude_unset=True)
        return CameraSettings.model_validate({**made, "frame_size": SIZE, "signals": [], "ground_points": points})


def errors_m(road: Road, calibration: Calibration) -> list[float]:
    return [distance(calibration.ground(road.pixel(m)), Point(*m)) for m in NEW_METRES]


def test_the_stated_error_covers_the_true_one_in_nearly_all_cases() -> None:
    covered = []
    for seed in range(25):
        settings = Road().settings(noise_px=2.0, seed=seed)
        report = report_calibration(settings)
        for m, error in zip(NEW_METRES, errors_m(Road(), report.calibration), strict=True):
            near = min(report.errors, key=lambda each: distance(each.px, Road().pixel(m)))
            covered.append(error <= 1.3 * near.error_m)  # that of the nearest cell, not of the very point
    assert mean(covered) > 0.93


def test_more_noise_and_fewer_points_are_a_larger_error() -> None:
    few = report_calibration(Road().settings(metres=[METRES[0], METRES[3], METRES[8], METRES[11]]))
    many, noisy = report_calibration(Road().settings()), report_calibration(Road().settings(noise_px=4.0))
    assert many.typical_m < few.typical_m
    assert many.typical_m < noisy.typical_m
    assert (few.checked, many.checked) == (False, True)
    assert noisy.click_px > 2.0


@pytest.mark.parametrize(
    ("terms", "lens", "worst_m"),
    [
        pytest.param(1, Lens(k1=-0.15), 0.02, id="barrel"),
        pytest.param(1, Lens(k1=0.08), 0.02, id="pincushion"),
        pytest.param(2, Lens(k1=-0.22, k2=0.06), 0.02, id="two terms"),
    ],
)
def test_the_lens_is_found_from_ground_points(terms: int, lens: Lens, worst_m: float) -> None:
    road = Road(radial_lens(lens, SIZE))
    settings = road.settings()
    found = fit_lens(settings, terms)
    assert (found.k1, found.k2) == pytest.approx((lens.k1, lens.k2), abs=0.02)
    assert max(errors_m(road, calibrate(settings.model_copy(update={"lens": found})))) < worst_m


def test_the_lens_takes_more_points_than_the_plane() -> None:
    with pytest.raises(ConfigError, match="at least 6 ground points; here: 4"):
        fit_lens(Road().settings(metres=METRES[:2] + METRES[8:10]), 1)


@pytest.mark.parametrize("lens", [Lens(k1=-0.2, k2=0.03), Lens(k1=0.2), Lens(k1=-0.22)])
def test_a_pixel_is_where_it_was_after_both_ways(lens: Lens) -> None:
    made = radial_lens(lens, SIZE)
    assert made is not None
    for point in (Point(0, 0), Point(960, 540), Point(1900, 20), Point(700, 1079)):
        back = made.distorted(made.straightened(point))
        assert (back.x, back.y) == pytest.approx((point.x, point.y), abs=1e-3)


def test_a_lens_that_would_fold_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="two points of the frame would be the same place"):
        CameraSettings.model_validate({**Road().settings().model_dump(exclude_unset=True), "lens": {"k1": -0.4}})


def test_without_terms_there_is_no_lens() -> None:
    assert radial_lens(Lens(), SIZE) is None
    assert radial_lens(None, SIZE) is None
