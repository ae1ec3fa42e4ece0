"""Makes changes one after the other, and counts which of them the verification does not see."""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmark.tamper.attempt import NothingToChange, TamperContext, file_changes
from benchmark.tamper.kinds import KINDS, Change
from benchmark.tamper.office import Office, open_office

UNTOUCHED_EVERY: Final = 50


@dataclass(slots=True, kw_only=True)
class Totals:
    made: Counter[str] = field(default_factory=Counter)
    """By kind: what is changed and how."""
    unseen: Counter[str] = field(default_factory=Counter)
    untouched: int = 0
    """Verifications of the store without any change."""
    false_alarms: list[str] = field(default_factory=list)


def run_trial(url: str, folder: Path, rng: random.Random, tampers: int) -> Totals:
    """`url`: an empty database; `folder`: for evidence, keys and heads."""
    totals, kinds = Totals(), [(f"{group}: {name}", change) for group, changes in KINDS.items() for name, change in changes.items()]
    with open_office(url, folder, rng) as office:
        while (number := sum(totals.made.values())) < tampers:
            if number % UNTOUCHED_EVERY == 0:
                _verify_untouched(office, rng, totals)
            if number % len(kinds) == 0:
                rng.shuffle(kinds)
            name, change = kinds[number % len(kinds)]
            totals.made[name] += 1
            if not is_seen(office, change, rng):
                totals.unseen[name] += 1
        _verify_untouched(office, rng, totals)
    return totals


def is_seen(office: Office, change: Change, rng: random.Random) -> bool:
    """Whether the verification has a finding after the change; everything is undone afterwards."""
    while True:
        with office.database.undone() as cursor, file_changes() as files:
            try:
                keys = change(TamperContext(office=office, cursor=cursor, rng=rng, files=files))
            except NothingToChange:
                continue
            seen = bool(office.findings(keys))
        return seen


def _verify_untouched(office: Office, rng: random.Random, totals: Totals) -> None:
    """As the changes left it, and after more work; some of its entries are left unsealed."""
    for _ in range(2):
        totals.untouched += 1
        totals.false_alarms += [f"{finding.fault}: {finding.detail}" for finding in office.findings()]
        office.export_head()
        office.work(rng)
