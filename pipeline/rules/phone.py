"""Using a phone while driving: UU 22/2009 article 283 with 106(1)."""

from typing import Final

from etle.types import RuleName
from pipeline.rules.attribute_rule import AttributeRule, AttributeSettings
from pipeline.rules.rule_type import RuleType


class Phone(AttributeRule):
    """A classifier sees the driver with a phone in the hand.

    Measured: the views in which it is certain of that, and the least probability in them. Uncertainty: of the classifier, which its
    deployment trained and measured. Always a lead: a hand at the ear may hold nothing, and the reviewer looks.
    """

    name: Final = RuleName("phone")
    Settings = AttributeSettings


PHONE: Final = RuleType(
    name=Phone.name,
    summary="A classifier sees the driver with a phone.",
    settings=AttributeSettings,
    build=Phone,
    example="line: henti, classifier: phone, label: phone",
)
