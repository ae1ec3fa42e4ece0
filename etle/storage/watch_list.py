"""The watch list: plates of vehicles that are searched for, in PostgreSQL.

An entry is a row, and its removal another one; none is changed. Who maintains the list proves it with the password of an account, and each
look at it is a line of the access log. Detect workers get a file with digests of the plates (`etle.plates.watch_file`).
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from etle.errors import ConfigError
from etle.plates import PlateKind, normalise, parse
from etle.plates.watch_file import WatchReason
from etle.signing import Signer
from etle.storage.audit.row_signature import sign_row
from etle.storage.database import Database
from etle.storage.queries import sql
from etle.types import VehicleClass

COLUMNS: Final = ("plate", "reason", "source", "valid_until", "vehicle")
_OPTIONAL: Final = frozenset(("vehicle",))
_MAX_SOURCE: Final = 500
_PLATE: Final = re.compile(r"[A-Z0-9]{3,12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEntry:
    """Why a plate is searched for. `valid_until`: the last day on which it is."""

    plate: str
    reason: WatchReason
    source: str
    """The report or order on which it is listed, such as its number and date."""
    valid_until: date
    vehicle: VehicleClass | None = None
    """The class in the register; a cloned plate is reported on a vehicle of another class only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchChange:
    """A row: an entry that was listed, or removed."""

    id: int
    entry: WatchEntry
    listed: bool
    changed_by: str
    changed_at: datetime


class PostgresWatchList:
    """Each method is one transaction. Raises StoreUnavailable."""

    def __init__(self, database: Database, signer: Signer | None = None) -> None:
        """`signer` signs what is added; None for readers and tests: `etle evidence verify` reports unsigned rows."""
        self._database = database
        self._signer = signer

    def add(self, entries: Sequence[WatchEntry], by: str) -> int:
        """Lists all of them or none; returns how many are new or differ from what the list has."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("lock_watch_list"))
            listed = {change.entry.plate: change.entry for change in self._current(cursor)}
            added = [entry for entry in entries if listed.get(entry.plate) != entry]
            for entry in added:
                cursor.execute(sql("insert_watch_change"), self._row(entry, "listed", by))
        return len(added)

    def remove(self, plate: str, source: str, by: str) -> WatchEntry:
        """`source`: on whose word, such as the report that the vehicle was found. Raises ConfigError if the plate is not listed."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("lock_watch_list"))
            found = next((change.entry for change in self._current(cursor) if change.entry.plate == plate), None)
            if found is None:
                raise ConfigError(f"{plate} is not on the watch list; `etle watch-list list` shows it")
            removed = WatchEntry(plate=plate, reason=found.reason, source=source, valid_until=found.valid_until, vehicle=found.vehicle)
            cursor.execute(sql("insert_watch_change"), self._row(removed, "removed", by))
        return found

    def listed(self, day: date) -> tuple[WatchChange, ...]:
        """The entries that are valid on that day, by plate."""
        with self._database.transaction() as cursor:
            return tuple(change for change in self._current(cursor) if change.entry.valid_until >= day)

    def history(self, plate: str) -> tuple[WatchChange, ...]:
        """All that was ever listed or removed of a plate, oldest first."""
        with self._database.transaction() as cursor:
            cursor.execute(sql("select_watch_history"), {"plate": plate})
            return tuple(_change(row) for row in cursor.fetchall())

    @staticmethod
    def _current(cursor: Any) -> tuple[WatchChange, ...]:
        cursor.execute(sql("select_watch_list"))
        return tuple(_change(row) for row in cursor.fetchall())

    def _row(self, entry: WatchEntry, change: str, by: str) -> dict[str, Any]:
        row = {
            "plate": entry.plate,
            "change": change,
            "reason": entry.reason.value,
            "vehicle": entry.vehicle.value if entry.vehicle else None,
            "source": entry.source,
            "valid_until": entry.valid_until.isoformat(),
            "changed_by": by,
        }
        return {**row, **sign_row(self._signer, "watch", row).columns}


def read_watch_csv(lines: Iterable[str], name: str) -> tuple[WatchEntry, ...]:
    """The entries of a CSV file with a header. Raises ConfigError that names every line that is wrong: none is imported then."""
    reader = csv.DictReader(lines)
    given = tuple(reader.fieldnames or ())
    missing = [column for column in COLUMNS if column not in given and column not in _OPTIONAL]
    unknown = [column for column in given if column not in COLUMNS]
    if missing or unknown:
        raise ConfigError(f"{name}: the first line must name the columns {', '.join(COLUMNS)} (vehicle may be left out)")
    entries, problems = [], []
    for row in reader:
        try:
            entries.append(_entry(row))
        except ValueError as error:
            problems.append(f"line {reader.line_num}: {error}")
    plates = [entry.plate for entry in entries]
    problems += [f"{plate} is there twice" for plate in sorted(set(plates)) if plates.count(plate) > 1]
    if problems:
        raise ConfigError(f"{name}: nothing was imported: {'; '.join(problems[:20])}")
    return tuple(entries)


def plate_of(text: str) -> str:
    """A plate as it is listed. Raises ValueError if it has not the shape of one."""
    plate = normalise(text)
    if parse(plate).kind is PlateKind.UNKNOWN or not _PLATE.fullmatch(plate):
        raise ValueError(f"{text!r} is not a plate")
    return plate


def _entry(row: dict[str, str | None]) -> WatchEntry:
    source = (row["source"] or "").strip()
    if not 0 < len(source) <= _MAX_SOURCE:
        raise ValueError("the source is missing or longer than 500 characters: name the report or order on which the plate is listed")
    vehicle = (row.get("vehicle") or "").strip()
    return WatchEntry(
        plate=plate_of(row["plate"] or ""),
        reason=WatchReason((row["reason"] or "").strip()),
        source=source,
        valid_until=date.fromisoformat((row["valid_until"] or "").strip()),
        vehicle=VehicleClass(vehicle) if vehicle else None,
    )


def _change(row: Any) -> WatchChange:
    entry = WatchEntry(
        plate=row.plate,
        reason=WatchReason(row.reason),
        source=row.source,
        valid_until=row.valid_until,
        vehicle=VehicleClass(row.vehicle) if row.vehicle else None,
    )
    return WatchChange(id=row.id, entry=entry, listed=row.change == "listed", changed_by=row.changed_by, changed_at=row.changed_at)
