"""The last stage: a parcel becomes evidence files and a case.

Side effects come in an order that a crash may cut anywhere: files, then their manifest, then the row. A row is therefore never without
its files; files without a row are found again under the same digests by the replay. The same parcel twice is one case.
"""

from typing import Protocol

from etle.errors import EvidenceCorrupt
from etle.protocols import CaseStore, EvidenceStore
from etle.types import EvidenceFile, Violation, ViolationMessage, digest_of


class ManifestMaker(Protocol):
    def __call__(self, violation: Violation, files: tuple[EvidenceFile, ...], /) -> EvidenceFile:
        """The signed list of the files, as a file."""
        ...


class Writer:
    """Puts violations where they are safe; a ViolationSink."""

    def __init__(self, cases: CaseStore, evidence: EvidenceStore, manifest: ManifestMaker) -> None:
        self._cases = cases
        self._evidence = evidence
        self._manifest = manifest

    def put(self, parcel: ViolationMessage) -> bool:
        """Raises EvidenceCorrupt if a file is not what its name says, or one that the violation names is not in the parcel."""
        violation = parcel.violation
        if self._cases.case(violation.id) is not None:
            return False
        check_files(parcel)
        files = (*parcel.files, self._manifest(violation, parcel.files))
        for file in files:
            self._evidence.put(file.data, file.suffix)
        return self._cases.add(violation, files)


def check_files(parcel: ViolationMessage) -> None:
    violation = parcel.violation
    for file in parcel.files:
        if digest_of(file.data) != file.sha256:
            raise EvidenceCorrupt(f"violation {violation.id}: the file {file.sha256} has another digest, {digest_of(file.data)}")
    named = {picture.sha256 for picture in violation.pictures} | ({violation.clip.sha256} if violation.clip else set())
    absent = named - {file.sha256 for file in parcel.files}
    if absent:
        raise EvidenceCorrupt(f"violation {violation.id}: these files that it names are not in its parcel: {', '.join(sorted(absent))}")
