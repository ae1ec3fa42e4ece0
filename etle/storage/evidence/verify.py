"""Verify everything that is stored: hash every file, check every signature, and compare both with the database.

Possible faults: a file is missing or was changed; a signature is invalid, or the database differs from what was signed; a file belongs to
no violation. The last is also found for an interrupted write until its message is processed again, and for files that are being written
during the check.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol

from etle.errors import EvidenceCorrupt, WireError
from etle.protocols import EvidenceStore
from etle.signing import PublicKeys
from etle.storage.evidence.manifest import SUFFIX, FileRecord, Manifest, read_manifest
from etle.types import Digest, Violation, ViolationId
from etle.wire import violation_from_json

PAGE_SIZE: Final = 200


class EvidenceFault(StrEnum):
    MISSING = "missing"
    CHANGED = "changed"
    BAD_SIGNATURE = "bad_signature"
    ORPHANED = "orphaned"
    FORGED = "forged"
    """A row that was not added by etle: it has no entry in the audit log, or nobody signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFinding:
    """One fault; `violation` is None for a file that belongs to no violation."""

    fault: EvidenceFault
    violation: ViolationId | None
    digest: Digest | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchColumns:
    """The columns beside a violation's document, by which it is searched."""

    site: str
    camera: str
    rule: str
    occurred_at: datetime
    plate: str | None
    vehicle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledViolation:
    """A violation in the database: its document and columns as stored, and its files."""

    id: ViolationId
    document: str
    columns: SearchColumns
    recorded_at: datetime
    files: tuple[FileRecord, ...]

    @property
    def manifests(self) -> tuple[FileRecord, ...]:
        """Normally one."""
        return tuple(file for file in self.files if file.suffix == SUFFIX)


class FiledViolationStore(Protocol):
    """Which files belong to which violation."""

    def with_files(self, *, limit: int, after: ViolationId | None = None) -> Sequence[FiledViolation]:
        """A page in the order of ids; `after`: the last id of the page before."""
        ...

    def unreferenced(self, digests: Sequence[Digest]) -> Sequence[Digest]:
        """Those of the digests that belong to no violation."""
        ...


@dataclass(slots=True, kw_only=True)
class VerifiedCounts:
    """What `verify` has checked so far."""

    cases: int = 0
    files: int = 0
    """Evidence files of the cases, manifests included."""


def verify(
    cases: FiledViolationStore, evidence: EvidenceStore, keys: PublicKeys, counts: VerifiedCounts | None = None
) -> Iterator[EvidenceFinding]:
    """All faults. `keys`: those that are trusted. `counts` is increased as the cases are checked."""
    counts = counts or VerifiedCounts()
    for filed in _all_violations(cases):
        yield from _verify_case(filed, evidence, keys)
        counts.cases += 1
        counts.files += len(filed.files)
    yield from _orphans(cases, evidence)


def _all_violations(cases: FiledViolationStore) -> Iterator[FiledViolation]:
    after: ViolationId | None = None
    while page := cases.with_files(limit=PAGE_SIZE, after=after):
        yield from page
        after = page[-1].id


def _verify_case(filed: FiledViolation, evidence: EvidenceStore, keys: PublicKeys) -> Iterator[EvidenceFinding]:
    for file in filed.files:
        try:
            data = evidence.get(file.sha256)
        except KeyError:
            yield _finding(EvidenceFault.MISSING, filed, file.sha256, "the file does not exist")
        except EvidenceCorrupt as error:
            yield _finding(EvidenceFault.CHANGED, filed, file.sha256, str(error))
        else:
            if len(data) != file.bytes:
                yield _finding(EvidenceFault.CHANGED, filed, file.sha256, f"the database gives the file {file.bytes} bytes")
            if file in filed.manifests:
                yield from _verify_manifest(filed, file.sha256, data, keys)
    if not filed.manifests:
        yield _finding(EvidenceFault.MISSING, filed, None, "the case has no manifest")


def _verify_manifest(filed: FiledViolation, digest: Digest, data: bytes, keys: PublicKeys) -> Iterator[EvidenceFinding]:
    try:
        manifest = read_manifest(data)
    except EvidenceCorrupt as error:
        yield _finding(EvidenceFault.BAD_SIGNATURE, filed, digest, str(error))
        return
    if manifest.key not in keys:
        yield _finding(EvidenceFault.BAD_SIGNATURE, filed, digest, f"signed with an unknown key, of fingerprint {manifest.key}")
    if keys.retired_before(manifest.key, filed.recorded_at):
        yield _finding(EvidenceFault.BAD_SIGNATURE, filed, digest, f"signed with a key that had been retired, {manifest.key}")
    keys.learn(manifest.public_key)
    if set(manifest.files) != set(filed.files) - set(filed.manifests):
        yield _finding(EvidenceFault.CHANGED, filed, digest, "the database and the manifest list different files")
    if not _same_violation(filed, manifest):
        yield _finding(EvidenceFault.CHANGED, filed, digest, "the violation in the database differs from the signed one")
    for field in fields(SearchColumns):
        stored, signed = getattr(filed.columns, field.name), getattr(_columns_of(manifest.violation), field.name)
        if stored != signed:
            detail = f"the column {field.name} is {stored}, and the signed violation says {signed}"
            yield _finding(EvidenceFault.CHANGED, filed, digest, detail)


def _finding(fault: EvidenceFault, filed: FiledViolation, digest: Digest | None, detail: str) -> EvidenceFinding:
    return EvidenceFinding(fault=fault, violation=filed.id, digest=digest, detail=detail)


def _columns_of(violation: Violation) -> SearchColumns:
    return SearchColumns(
        site=violation.site,
        camera=violation.camera,
        rule=violation.rule,
        occurred_at=violation.occurred_at,
        plate=violation.plate.text,
        vehicle=violation.vehicle.value,
    )


def _same_violation(filed: FiledViolation, manifest: Manifest) -> bool:
    """Compares parsed violations, not text, so that fields which a later version adds are not reported as a change."""
    try:
        return manifest.violation.id == filed.id and violation_from_json(filed.document) == manifest.violation
    except WireError:
        return False


def _orphans(cases: FiledViolationStore, evidence: EvidenceStore) -> Iterator[EvidenceFinding]:
    digests = evidence.digests()
    while page := tuple(islice(digests, PAGE_SIZE)):
        for digest in cases.unreferenced(page):
            yield EvidenceFinding(fault=EvidenceFault.ORPHANED, violation=None, digest=digest, detail=_origin(digest, evidence))


def _origin(digest: Digest, evidence: EvidenceStore) -> str:
    try:
        manifest = read_manifest(evidence.get(digest))
    except (KeyError, EvidenceCorrupt):
        return "the file belongs to no violation"
    return f"the manifest of violation {manifest.violation.id}, which is not in the database: interrupted write or removed row"
