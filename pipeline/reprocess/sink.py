"""Stores what a run finds: files beside the evidence, violations beside the cases."""

from etle.protocols import Clock, EvidenceStore
from etle.runs.plan import ReprocessPlan
from etle.storage.runs import PostgresRuns
from etle.types import EvidenceFile, Violation, ViolationMessage, digest_of
from pipeline.evidence.writer import check_files


class RunSink:
    """A ViolationSink: files first, then the row. Violations outside of the run's range are not stored."""

    def __init__(self, run: str, plan: ReprocessPlan, runs: PostgresRuns, files: EvidenceStore, clock: Clock) -> None:
        self._run = run
        self._plan = plan
        self._runs = runs
        self._files = files
        self._clock = clock

    def put(self, message: ViolationMessage) -> bool:
        """Raises EvidenceCorrupt, as the writer of the cases does."""
        violation = message.violation
        if not self._plan.contains(violation.occurred_at) or self.has(violation):
            return False
        check_files(message)
        for file in message.files:
            self._files.put(file.data, file.suffix)
        return self._runs.add_violation(self._run, violation, self._clock.now())

    def has(self, violation: Violation) -> bool:
        return self._runs.has_violation(self._run, violation.id)


def stored_message(violation: Violation, files: EvidenceStore) -> ViolationMessage:
    """The violation of a run with its files. Raises KeyError for a file that is missing, EvidenceCorrupt for one that was changed."""
    named = {picture.sha256: ".jpg" for picture in violation.pictures} | ({violation.clip.sha256: ".mp4"} if violation.clip else {})
    data = {digest: files.get(digest) for digest in named}
    return ViolationMessage(
        violation=violation,
        files=tuple(EvidenceFile(sha256=digest_of(data[digest]), suffix=suffix, data=data[digest]) for digest, suffix in named.items()),
    )
