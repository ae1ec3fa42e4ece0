"""The last stage: stores a violation as evidence files and a case.

Written in this order: files, their manifest, the database row. A crash may happen between any two of them: a row always has its files,
and files without a row get their row when the violation is processed again. The same violation twice is one case.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from etle.errors import EvidenceCorrupt
from etle.protocols import CaseStore, EvidenceStore
from etle.types import EvidenceFile, Violation, ViolationMessage, digest_of

if TYPE_CHECKING:
    from etle.signing import Signer


REPEATED_MARK: Final = "repeated"
"""Mark of a case beside another one of the same plate, rule and camera within a minute: footage that was looked at twice, frames that were
published again, or a vehicle that was lost behind another for a while. The texts are `mark.repeated` in `review/texts/`."""


class ManifestMaker(Protocol):
    def __call__(self, violation: Violation, files: tuple[EvidenceFile, ...], /) -> EvidenceFile:
        """The signed list of the files, as a file."""
        ...


class Writer:
    """A ViolationSink that stores files and case durably."""

    def __init__(self, cases: CaseStore, evidence: EvidenceStore, manifest: ManifestMaker) -> None:
        self._cases = cases
        self._evidence = evidence
        self._manifest = manifest

    @classmethod
    def with_signer(cls, cases: CaseStore, evidence: EvidenceStore, signer: "Signer") -> "Writer":
        """A writer whose manifests are signed with that key."""
        from etle.storage.evidence.manifest import make_manifest

        return cls(cases, evidence, lambda violation, files: make_manifest(violation, files, signer))

    def put(self, message: ViolationMessage) -> bool:
        """Raises EvidenceCorrupt if a file's bytes do not have the digest that names it, or if a file of the violation is missing."""
        violation = message.violation
        if self._cases.has(violation.id):
            return False
        check_files(message)
        if self._cases.has_similar(violation):
            violation = replace(violation, marks=(*violation.marks, REPEATED_MARK))
        files = (*message.files, self._manifest(violation, message.files))
        for file in files:
            self._evidence.put(file.data, file.suffix)
        return self._cases.add(violation, files)


def check_files(message: ViolationMessage) -> None:
    """Raises EvidenceCorrupt."""
    violation = message.violation
    for file in message.files:
        if digest_of(file.data) != file.sha256:
            raise EvidenceCorrupt(f"violation {violation.id}: the file {file.sha256} has another digest, {digest_of(file.data)}")
    named = {picture.sha256 for picture in violation.pictures} | ({violation.clip.sha256} if violation.clip else set())
    missing = named - {file.sha256 for file in message.files}
    if missing:
        raise EvidenceCorrupt(f"violation {violation.id}: its message does not contain these files: {', '.join(sorted(missing))}")
