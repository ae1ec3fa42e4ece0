"""What decided besides the measurements: the zone, the version of a list, a device and its certificate."""

from etle.config.instruments import CertificateState
from etle.types import Violation
from review.i18n import Translator


def fact_views(violation: Violation, t: Translator) -> tuple[tuple[str, str], ...]:
    """Label and text of each. A text that is a code, such as the state of a certificate, is shown in words."""
    return tuple((t.get(f"fact.{name}", name.replace("_", " ")), t.get(f"fact.{name}.{text}", text)) for name, text in violation.facts)


def is_certified(violation: Violation) -> bool:
    """Whether a device with a valid certificate measured it. The rules of a camera name a certificate only if it is valid."""
    facts = dict(violation.facts)
    return facts.get("certificate_state", CertificateState.VALID) == CertificateState.VALID and "certificate" in facts
