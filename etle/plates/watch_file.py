"""The watch list as a file for detect workers: digests of plates, so that a camera host holds neither plates nor names.

A digest is scrypt (RFC 7914) of the plate with the file's salt. Whoever steals the file can try all plates, at ten milliseconds each; what
he cannot do is read it. Nobody's name, and no source of an entry, is in the file.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from etle.canonical_json import canonical_json
from etle.errors import ConfigError
from etle.files import write_atomic
from etle.types import VehicleClass

FORMAT: Final = "etle-watch-list-1"
_COST, _BLOCK, _PARALLEL, _BYTES = 2**12, 8, 1, 16
"""4 MiB and about ten milliseconds for one plate."""


class WatchReason(StrEnum):
    STOLEN = "stolen"
    BLOCKED = "blocked"
    CLONED = "cloned"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchHit:
    """What a detect worker may know of an entry. `number`: of the entry in the database; `vehicle`: the class in the register."""

    number: int
    reason: WatchReason
    listed_at: datetime
    valid_until: date
    vehicle: VehicleClass | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFile:
    """The list as it was at a moment."""

    written_at: datetime
    salt: bytes
    entries: Mapping[str, WatchHit]

    @classmethod
    def of(cls, plates: Iterable[tuple[str, WatchHit]], written_at: datetime) -> Self:
        salt = secrets.token_bytes(16)
        return cls(written_at=written_at, salt=salt, entries={_digest(plate, salt): hit for plate, hit in plates})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ConfigError if it is not such a file."""
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise ConfigError(f"{path}: a watch list of format {document['format']!r}; this version of etle reads {FORMAT}")
            entries = {str(digest): _hit(entry) for digest, entry in document["entries"].items()}
            return cls(written_at=_moment(document["written_at"]), salt=bytes.fromhex(document["salt"]), entries=entries)
        except OSError as error:
            raise ConfigError(f"{path}: the watch list cannot be read: {error.strerror}; `etle watch-list export` writes it") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: not a watch list; `etle watch-list export` writes it") from error

    def write(self, path: Path) -> None:
        """Readable by its owner only; replaced as a whole."""
        entries = {digest: _document(hit) for digest, hit in self.entries.items()}
        document = {"format": FORMAT, "written_at": self.written_at.isoformat(), "salt": self.salt.hex(), "entries": entries}
        write_atomic(path, canonical_json(document), mode=0o600)

    def find(self, plate: str, at: datetime, day: date) -> WatchHit | None:
        """The entry of a plate (without spaces) that is valid on `day`, the local day of `at`, and was listed before `at`."""
        hit = self.entries.get(_digest(plate, self.salt))
        return hit if hit is not None and hit.listed_at <= at and day <= hit.valid_until else None

    def age(self, at: datetime) -> timedelta:
        """How old the list was; negative if it was written later."""
        return at - self.written_at


def _digest(plate: str, salt: bytes) -> str:
    return hashlib.scrypt(plate.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=_BYTES).hex()


def _document(hit: WatchHit) -> dict[str, Any]:
    return {
        "number": hit.number,
        "reason": hit.reason.value,
        "listed_at": hit.listed_at.isoformat(),
        "valid_until": hit.valid_until.isoformat(),
        "vehicle": hit.vehicle.value if hit.vehicle else None,
    }


def _hit(document: Mapping[str, Any]) -> WatchHit:
    return WatchHit(
        number=int(document["number"]),
        reason=WatchReason(document["reason"]),
        listed_at=_moment(document["listed_at"]),
        valid_until=date.fromisoformat(document["valid_until"]),
        vehicle=VehicleClass(document["vehicle"]) if document["vehicle"] else None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
