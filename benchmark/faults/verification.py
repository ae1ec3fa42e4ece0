"""Compares the content of database, evidence store and topics with the expected one."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from benchmark.faults.footage import ExpectedViolation
from etle.kafka.client import KafkaSubscriber, KafkaTopicReader
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames
from etle.signing import PublicKeys
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.evidence.manifest import Signer
from etle.storage.evidence.verify import verify
from etle.types import CameraId, ViolationId
from etle.wire import frame_from_wire
from etle_cli.options.broker import read_topic
from pipeline.workers.checkpoint import checkpoint_from_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultReport:
    """The field names are keys of the JSON report."""

    expected: int
    missing: int
    doubled: int
    """Number of cases beyond one for each expected violation."""
    unverified: int
    frames_lost_uncounted: int
    set_aside: int
    details: tuple[str, ...]


def verify_results(expected: ExpectedViolation, connection: BrokerConnection, database: str, data: Path) -> FaultReport:
    store = Database(database)
    try:
        cases = PostgresCases(store)
        found = Counter(violations_in(store))
        signer = Signer.read(data / "keys" / "manifest.pem")
        faults = [str(each) for each in verify(cases, FolderEvidence(data / "evidence"), PublicKeys([signer.fingerprint]))]
    finally:
        store.close()
    sent, set_aside = frames_in(connection), dead_letters_in(connection)
    lost = {camera: count - len(sent.get(camera, ())) for camera, count in expected.frames.items()}
    missing = expected.violations - set(found)
    extra = Counter(found) - Counter(expected.violations)
    return FaultReport(
        expected=len(expected.violations),
        missing=len(missing),
        doubled=extra.total(),
        unverified=len(faults),
        frames_lost_uncounted=sum(lost.values()),
        set_aside=len(set_aside),
        details=(
            *(f"missing: {each}" for each in sorted(map(str, missing))),
            *(f"doubled: {each}" for each in sorted(map(str, extra))),
            *(f"lost: {count} of {camera}; last received: {max(sent.get(camera, {-1}))}" for camera, count in lost.items() if count),
            *faults,
            *set_aside,
        ),
    )


def violations_in(database: Database) -> list[ViolationId]:
    with database.transaction() as cursor:
        cursor.execute("SELECT id FROM violations")
        return [ViolationId(UUID(str(row[0]))) for row in cursor.fetchall()]


def frames_in(connection: BrokerConnection) -> dict[CameraId, set[int]]:
    """Sequence numbers of the valid frames in the topic, by camera."""
    found: dict[CameraId, set[int]] = {}
    for message in read_topic(connection, TopicNames(connection.broker.prefix).frames, "faults"):
        frame = frame_from_wire(message.headers, message.value)
        found.setdefault(frame.camera, set()).add(frame.sequence)
    return found


def dead_letters_in(connection: BrokerConnection) -> list[str]:
    messages = read_topic(connection, TopicNames(connection.broker.prefix).dead_letters, "faults")
    return [f"set aside: {dict(message.headers).get('dead-reason', b'').decode()}" for message in messages]


class Backlog:
    """Number of messages that the two consumer groups have not processed; does not join the groups."""

    def __init__(self, connection: BrokerConnection) -> None:
        names = TopicNames(connection.broker.prefix)
        self._detect = KafkaSubscriber(connection, "faults", names.frames, names.detect_group)
        self._write = KafkaSubscriber(connection, "faults", names.violations, names.write_group)
        self._names = names
        self._reader = KafkaTopicReader(connection, "faults")
        self._partitions = connection.broker.frames.partitions, connection.broker.violations.partitions

    def messages(self) -> int:
        frames, violations = self._partitions
        return sum(_lag(self._detect, number, in_metadata=True) for number in range(frames)) + sum(
            _lag(self._write, number, in_metadata=False) for number in range(violations)
        )

    def ended(self) -> int:
        """Number of cameras that have ended without pending findings."""
        tables = [self._reader.latest(self._names.checkpoints, number) for number in range(self._partitions[0])]
        return sum(checkpoint_from_wire(value).finished for table in tables for value in table.values())

    def close(self) -> None:
        self._reader.close()
        self._detect.close()
        self._write.close()


def _lag(group: KafkaSubscriber, partition: int, *, in_metadata: bool) -> int:
    end, position = group.end(partition), group.committed(partition)
    if position is None:
        return end
    return end - (int(position.metadata) if in_metadata and position.metadata.isdigit() else position.offset)
