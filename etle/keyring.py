"""The life of the keys in a folder: created, rotated, retired; former public keys are kept, because they verify what they signed.

`NAME.pem` is the private key in use and `NAME.pub` its public key; a former one is `NAME-FINGERPRINT.pub`. `keyring.json` records when each
was created and retired. A private key that was rotated is deleted; a key is retired once no process uses it any more.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from etle.errors import ConfigError
from etle.files import FileLock, write_atomic
from etle.signing import PublicKeys, Signer, public_file, public_fingerprint
from etle.types import Digest

RECORD: Final = "keyring.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key. `created_at` is None for a key from before the record; `retired_at` is None while it may sign."""

    fingerprint: Digest
    name: str
    file: str
    """Its public key, in the folder."""
    created_at: datetime | None = None
    retired_at: datetime | None = None
    compromised: bool = False
    """Somebody else may have it: nothing that it signed is believed."""


class KeyRing:
    """The keys in one folder. Raises ConfigError for what cannot be done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str, at: datetime) -> Signer:
        """Raises ConfigError if the key exists, or existed and was lost."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock():
            if self._private(name).exists():
                raise ConfigError(f"{self._private(name)} exists already; `etle keys rotate {name}` replaces it")
            signer = Signer.from_file(self._private(name))
            self._record(self._current(name, signer.fingerprint, at))
        return signer

    def rotate(self, name: str, at: datetime) -> Signer:
        """A new key in place of the present one, whose public key is kept. Processes go on with the old one until they are restarted."""
        with self._lock() if self._folder.is_dir() else self._missing(name):
            private, old = self._private(name), Signer.read(self._private(name))
            kept = private.with_name(f"{name}-{old.fingerprint[:16]}.pub")
            write_atomic(kept, old.public_pem)
            known = {record.fingerprint: record for record in self._recorded()}
            self._record(replace(known.get(old.fingerprint, self._current(name, old.fingerprint, None)), file=kept.name))
            private.unlink()
            public_file(private).unlink(missing_ok=True)
            signer = Signer.from_file(private)
            self._record(self._current(name, signer.fingerprint, at))
        return signer

    def retire(self, fingerprint: str, at: datetime, *, compromised: bool = False) -> KeyRecord:
        """From `at` on a signature of the key is not valid. `fingerprint`: its beginning is enough.

        Raises ConfigError for the key in use.
        """
        found = [record for record in self.records() if record.fingerprint.startswith(fingerprint)]
        if len(found) != 1:
            raise ConfigError(f"{len(found)} keys in {self._folder} have a fingerprint that begins with {fingerprint!r}: `etle keys list`")
        (record,) = found
        if public_file(self._private(record.name)).name == record.file and self._private(record.name).exists():
            raise ConfigError(f"the key {record.fingerprint[:16]} is in use: `etle keys rotate {record.name}` first")
        with self._lock():
            retired = replace(record, retired_at=record.retired_at or at, compromised=compromised or record.compromised)
            self._record(retired)
        return retired

    def records(self) -> Sequence[KeyRecord]:
        """Every public key in the folder, recorded or not, by file name."""
        known = {record.fingerprint: record for record in self._recorded()}
        found = []
        for file in sorted(self._folder.glob("*.pub")):
            fingerprint = public_fingerprint(file)
            unrecorded = KeyRecord(fingerprint=fingerprint, name=file.stem.partition("-")[0], file=file.name)
            found.append(replace(known.get(fingerprint, unrecorded), file=file.name))
        return found

    def trust(self, keys: PublicKeys) -> None:
        """Add the recorded keys that may have signed evidence, with the times at which they were retired."""
        for record in self._recorded():
            if not record.compromised and (self._folder / record.file).exists():
                keys.add_file(self._folder / record.file, retired_at=record.retired_at)

    def _private(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _current(self, name: str, fingerprint: Digest, at: datetime | None) -> KeyRecord:
        return KeyRecord(fingerprint=fingerprint, name=name, file=f"{name}.pub", created_at=at)

    def _recorded(self) -> list[KeyRecord]:
        file = self._folder / RECORD
        if not file.exists():
            return []
        try:
            return [_record_of(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{file} cannot be read: {error}. Restore it from a backup.") from error

    def _record(self, record: KeyRecord) -> None:
        """Requires the lock."""
        records = [each for each in self._recorded() if each.fingerprint != record.fingerprint] + [record]
        text = json.dumps([_as_json(each) for each in records], indent=2)
        write_atomic(self._folder / RECORD, f"{text}\n".encode())

    def _lock(self) -> FileLock:
        return FileLock(self._folder / "keyring.lock")

    def _missing(self, name: str) -> FileLock:
        raise ConfigError(f"there is no key {self._private(name)}: `etle keys create {name}`")


def _as_json(record: KeyRecord) -> dict[str, Any]:
    times = {name: getattr(record, name) for name in ("created_at", "retired_at")}
    return asdict(record) | {name: time.isoformat() if time else None for name, time in times.items()}


def _record_of(entry: dict[str, Any]) -> KeyRecord:
    times = {name: datetime.fromisoformat(entry[name]) if entry[name] else None for name in ("created_at", "retired_at")}
    return KeyRecord(**{**entry, **times})
