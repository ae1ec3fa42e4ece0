"""What a promoted run of reprocessing says of a case, in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from etle.plates import formatted
from etle.types import Proposal, Violation
from review.i18n import Translator
from review.views.measurement import measurement_views


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalView:
    run: str
    when: str
    changes: tuple[str, ...]
    """A sentence for each."""


def proposal_view(proposal: Proposal, violation: Violation, t: Translator) -> ProposalView:
    """`violation` is the case as it was found live."""
    return ProposalView(
        run=t("proposal.run", run=proposal.run),
        when=t.date_time(proposal.proposed_at, violation.timezone),
        changes=tuple(_change(each, proposal.found, violation, t) for each in proposal.changed),
    )


def _change(changed: str, found: Violation | None, violation: Violation, t: Translator) -> str:
    if found is None or changed not in _VALUES:
        return t("proposal.missing")
    before, after = (_VALUES[changed](each, t) or t("proposal.none") for each in (violation, found))
    return t(f"proposal.{changed}", before=before, after=after)


def _measured(violation: Violation, t: Translator) -> str:
    return ", ".join(f"{view.name} {view.text}" for view in measurement_views(violation, t))


_VALUES: Final[Mapping[str, Callable[[Violation, Translator], str]]] = {
    "plate": lambda violation, t: formatted(violation.plate.text or ""),
    "measurement": _measured,
    "certainty": lambda violation, t: t(f"proposal.{violation.plate.certainty.value}"),
}
