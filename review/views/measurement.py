"""Measured quantities with their intervals."""

from dataclasses import dataclass

from etle.types import Measurement, Violation
from review.i18n import COVERAGE_FACTOR, Translator
from review.views.fact import is_certified


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementView:
    name: str
    text: str
    has_uncertainty: bool
    touches_zero: bool
    """Whether the interval includes zero, so that the measurement alone does not show a violation."""


def measurement_views(violation: Violation, t: Translator) -> tuple[MeasurementView, ...]:
    """A speed is a lead, unless a device with a valid certificate measured it, which the case then names."""
    certified = is_certified(violation)
    return tuple(measurement_view(each, t, is_certified=certified) for each in violation.measured)


def measurement_view(measurement: Measurement, t: Translator, *, is_certified: bool = False) -> MeasurementView:
    name = "speed_certified" if is_certified and measurement.name == "speed" else measurement.name
    half_width = None if measurement.uncertainty is None else COVERAGE_FACTOR * measurement.uncertainty
    return MeasurementView(
        name=t.get(f"measured.{name}", name.replace("_", " ")),
        text=t.interval(measurement),
        has_uncertainty=half_width is not None,
        touches_zero=half_width is not None and abs(measurement.value) <= half_width,
    )
