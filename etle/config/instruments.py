"""Measuring devices of vendors (radar, weigh-in-motion, belt and phone cameras, handhelds): what they may report, and their certificates.

An event of a registered device becomes a case. Only a certificate that was valid on the day of the violation makes it proof; without one
the case is a lead.
"""

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from etle.config.strict_yaml import Name, Section


class CertificateState(StrEnum):
    """Whether a device had a valid certificate on a day; the reason if it had none."""

    VALID = "valid"
    NONE = "none"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OTHER_NUMBER = "other_number"
    """The event names another certificate than the registered one of that day."""


class InstrumentCertificate(Section):
    """A calibration certificate; both days are included, at the place of the violation."""

    number: str = Field(min_length=1, max_length=100)
    authority: str = Field(min_length=1, max_length=100, description="Who issued it.")
    valid_from: date
    valid_to: date
    tolerance: float = Field(0.0, ge=0, description="Of the instrument, in the unit of its measurement.")

    @model_validator(mode="after")
    def is_ordered(self) -> Self:
        if self.valid_to < self.valid_from:
            raise ValueError(f"certificate {self.number}: valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self


class InstrumentRule(Section):
    """What a device reports: a rule of the law files and, unless pictures alone show it, the quantity that it measures and its limit."""

    rule: str
    quantity: str | None = Field(None, description="Name of the measured value in its events, such as speed.")
    unit: str | None = Field(None, description="Its unit, such as km/h.")
    limit: float | None = Field(None, ge=0, description="The limit, as signed or as the law has it.")
    limit_from: str | None = Field(None, description="Instead: name of the value in the event that is the limit of that vehicle.")
    tolerance: float = Field(0.0, ge=0, description="Least tolerance beyond the limit; that of a valid certificate, if it is larger.")

    @model_validator(mode="after")
    def is_complete(self) -> Self:
        if self.quantity is None:
            if any(value is not None for value in (self.unit, self.limit, self.limit_from)) or self.tolerance:
                raise ValueError(f"{self.rule}: `unit`, `limit`, `limit_from` and `tolerance` are those of a `quantity`")
        elif self.unit is None or (self.limit is None) == (self.limit_from is None):
            raise ValueError(f"{self.rule}: a `quantity` needs its `unit`, and either `limit` or `limit_from`")
        return self


class Instrument(Section):
    """A registered device."""

    serial: str = Field(min_length=1, max_length=100, description="As its events have it in `device.serial`.")
    public_key: Path = Field(description="Ed25519 public key (PEM) of the key with which it signs its events.")
    cameras: tuple[Name, ...] = Field(min_length=1, description="The cameras of the site file for which it reports.")
    rules: tuple[InstrumentRule, ...] = Field(min_length=1)
    certificates: tuple[InstrumentCertificate, ...] = Field((), description="Old ones too: late events need them.")

    @model_validator(mode="after")
    def unique_rules(self) -> Self:
        names = [each.rule for each in self.rules]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"instrument {self.serial!r}: the rule {repeated[0]!r} is given twice")
        return self

    def rule(self, name: str) -> InstrumentRule | None:
        return next((each for each in self.rules if each.rule == name), None)

    def certificate(self, day: date, number: str | None = None) -> tuple[InstrumentCertificate | None, CertificateState]:
        """The valid certificate of that day, else the one that is nearest to it, with the reason why it does not hold.

        `number`: what the event names, if it names one.
        """
        valid = [each for each in self.certificates if each.valid_from <= day <= each.valid_to]
        named = [each for each in valid if number in (None, each.number)]
        if named:
            return named[-1], CertificateState.VALID
        if valid:
            return valid[-1], CertificateState.OTHER_NUMBER
        if ended := [each for each in self.certificates if each.valid_to < day]:
            return max(ended, key=lambda each: each.valid_to), CertificateState.EXPIRED
        coming = min(self.certificates, key=lambda each: each.valid_from, default=None)
        return coming, CertificateState.NOT_YET_VALID if coming else CertificateState.NONE
