"""Driving without a seat belt: UU 22/2009 article 289 with 106(6)."""

from typing import Final

from etle.types import RuleName
from pipeline.rules.attribute_rule import AttributeRule, AttributeSettings
from pipeline.rules.rule_type import RuleType


class SeatBelt(AttributeRule):
    """A classifier sees the driver, or the passenger in front, without a belt.

    Measured: the views in which it is certain of that, and the least probability in them. Uncertainty: of the classifier, which its
    deployment trained and measured. Always a lead: glass, shade and dark clothes hide belts, and the reviewer looks.
    """

    name: Final = RuleName("seat_belt")
    Settings = AttributeSettings


SEAT_BELT: Final = RuleType(
    name=SeatBelt.name,
    summary="A classifier sees somebody in front without a seat belt.",
    settings=AttributeSettings,
    build=SeatBelt,
    example="line: henti, classifier: belt, label: no_belt",
)
