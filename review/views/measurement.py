"""Measured quantities with their intervals."""

from dataclasses import dataclass

from etle.types import Measurement
from review.i18n import COVERAGE_FACTOR, Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementView:
    name: str
    text: str
    has_uncertainty: bool
    touches_zero: bool
    """Whether the interval includes zero, so that the measurement alone does not show a violation."""


def measurement_view(measurement: Measurement, t: Translator) -> MeasurementView:
    half_width = None if measurement.uncertainty is None else COVERAGE_FACTOR * measurement.uncertainty
    return MeasurementView(
        name=t.get(f"measured.{measurement.name}", measurement.name.replace("_", " ")),
        text=t.interval(measurement),
        has_uncertainty=half_width is not None,
        touches_zero=half_width is not None and abs(measurement.value) <= half_width,
    )
