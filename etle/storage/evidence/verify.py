"""Does everything that is kept still fit together? Every file is hashed again, every signature checked, each row held against both.

Four things can be wrong: a file is missing, or was changed; a signature does not hold, or does not cover what the database says; a file
belongs to no case. The last is also what a write that was cut short leaves until its parcel comes again, and what is just being
written while this runs.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol

from etle.errors import EvidenceCorrupt, WireError
from etle.protocols import EvidenceStore
from etle.storage.evidence.manifest import Manifest, read_manifest
from etle.types import Digest, ViolationId
from etle.wire import violation_from_json

AT_ONCE: Final = 200


class EvidenceFault(StrEnum):
    MISSING = "missing"
    CHANGED = "changed"
    BAD_SIGNATURE = "bad_signature"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFinding:
    """Something wrong; `violation` is None for a file that belongs to no case."""

    fault: EvidenceFault
    violation: ViolationId | None
    digest: Digest | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledViolation:
    """What the database says of one violation: its document, as it is stored, and the digests of its files."""

    id: ViolationId
    document: str
    files: tuple[Digest, ...]
    manifests: tuple[Digest, ...]
    """Those of `files` that are manifests; one, if all is well."""


class FiledViolationStore(Protocol):
    """Which files belong to which violation."""

    def with_files(self, *, limit: int, after: ViolationId | None = None) -> Sequence[FiledViolation]:
        """In the order of their ids, those behind `after`."""
        ...

    def unreferenced(self, digests: Sequence[Digest]) -> Sequence[Digest]:
        """Those that belong to no violation."""
        ...


def verify(cases: FiledViolationStore, evidence: EvidenceStore, keys: Collection[Digest]) -> Iterator[EvidenceFinding]:
    """Everything that is wrong. `keys` are the fingerprints of the keys whose signatures count."""
    for filed in _all(cases):
        yield from _verify_case(filed, evidence, keys)
    yield from _orphans(cases, evidence)


def _all(cases: FiledViolationStore) -> Iterator[FiledViolation]:
    after: ViolationId | None = None
    while page := cases.with_files(limit=AT_ONCE, after=after):
        yield from page
        after = page[-1].id


def _verify_case(filed: FiledViolation, evidence: EvidenceStore, keys: Collection[Digest]) -> Iterator[EvidenceFinding]:
    for digest in filed.files:
        try:
            data = evidence.get(digest)
        except KeyError:
            yield EvidenceFinding(fault=EvidenceFault.MISSING, violation=filed.id, digest=digest, detail="the file is not there")
        except EvidenceCorrupt as error:
            yield EvidenceFinding(fault=EvidenceFault.CHANGED, violation=filed.id, digest=digest, detail=str(error))
        else:
            if digest in filed.manifests:
                yield from _verify_manifest(filed, digest, data, keys)
    if not filed.manifests:
        yield EvidenceFinding(fault=EvidenceFault.MISSING, violation=filed.id, digest=None, detail="the case has no manifest")


def _verify_manifest(filed: FiledViolation, digest: Digest, data: bytes, keys: Collection[Digest]) -> Iterator[EvidenceFinding]:
    try:
        manifest = read_manifest(data)
    except EvidenceCorrupt as error:
        yield EvidenceFinding(fault=EvidenceFault.BAD_SIGNATURE, violation=filed.id, digest=digest, detail=str(error))
        return
    if manifest.key not in keys:
        detail = f"signed with a key that is not ours, of fingerprint {manifest.key}"
        yield EvidenceFinding(fault=EvidenceFault.BAD_SIGNATURE, violation=filed.id, digest=digest, detail=detail)
    if set(manifest.files) != set(filed.files) - set(filed.manifests):
        detail = "the files that the database names are not those that the manifest names"
        yield EvidenceFinding(fault=EvidenceFault.CHANGED, violation=filed.id, digest=digest, detail=detail)
    if not _same_violation(filed, manifest):
        detail = "the violation in the database is not the one that was signed"
        yield EvidenceFinding(fault=EvidenceFault.CHANGED, violation=filed.id, digest=digest, detail=detail)


def _same_violation(filed: FiledViolation, manifest: Manifest) -> bool:
    """Both are read by the same code, so that what a later version adds to a violation does not count as a change."""
    try:
        return manifest.violation.id == filed.id and violation_from_json(filed.document) == manifest.violation
    except WireError:
        return False


def _orphans(cases: FiledViolationStore, evidence: EvidenceStore) -> Iterator[EvidenceFinding]:
    digests = evidence.digests()
    while page := tuple(islice(digests, AT_ONCE)):
        for digest in cases.unreferenced(page):
            yield EvidenceFinding(fault=EvidenceFault.ORPHANED, violation=None, digest=digest, detail=_origin(digest, evidence))


def _origin(digest: Digest, evidence: EvidenceStore) -> str:
    try:
        manifest = read_manifest(evidence.get(digest))
    except (KeyError, EvidenceCorrupt):
        return "the file belongs to no case"
    return f"the manifest of violation {manifest.violation.id}, which is no case: its write was cut short, or the case was removed"
