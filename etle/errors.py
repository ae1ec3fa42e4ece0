"""All errors that etle raises on purpose.

    EtleError
    ├── ConfigError            a site file, law file or setting is wrong: names the file, the key and the remedy
    │   └── SiteFileChanged    somebody else saved the site file since it was read: nothing was written
    ├── WeightsError           a model file is missing, has another digest, or cannot be created
    │   └── WeightsMissing     it is missing: `etle models pull` downloads it
    ├── SourceError            a camera, file or folder cannot be read
    │   ├── SourceUnavailable  it cannot be reached now: the reader waits and tries again
    │   └── SourceBroken       its content is damaged: the readable part was read
    ├── FrameBroken            one picture cannot be decoded: it is counted and skipped
    ├── SpoolFull              no space on the device's disk, or a write error: live cameras drop their oldest frames, others wait
    ├── WireError              a message violates its schema: it goes to the dead letters with the reason
    ├── InferenceError         a model failed on a picture: the stage stops
    ├── StoreError             database or evidence store
    │   ├── StoreUnavailable   it cannot be reached: wait and try again
    │   │   ├── EvidenceUnavailable  the evidence store cannot be reached
    │   │   └── ArchiveUnavailable   the archive of frames cannot be reached, or another process writes it
    │   │       └── SegmentMissing   a segment was deleted: waiting does not help
    │   ├── EvidenceFull       no space left for evidence: free some; nothing was lost
    │   ├── ArchiveFull        no space left for frames, and none of the archive may be deleted
    │   ├── EvidenceCorrupt    bytes do not match the digest under which they are stored
    │   ├── ValueRejected      the database cannot store or compare a value, such as a text with a NUL
    │   ├── CaseTaken          the case is assigned to another reviewer
    │   └── CaseDecided        the case has another number of decisions than the reviewer saw
    ├── BrokerError            Kafka
    │   ├── BrokerUnavailable  it cannot be reached: spool or wait, and try again
    │   └── BrokerRefused      it refuses the request: a topic is missing, a message is too large, access is denied
    └── MissingExtra           a package that the role needs is not installed: names the pip command

A message names the object and the remedy. `None` or an empty tuple means that there was nothing to find; if something could not be read,
an error is raised.
"""

from etle.redaction import redacted


class EtleError(Exception):
    """Base of all errors that etle raises on purpose. The message is meant for the user, and shows no secret."""

    def __str__(self) -> str:
        return redacted(super().__str__())


class ConfigError(EtleError):
    pass


class SiteFileChanged(ConfigError):
    pass


class WeightsError(EtleError):
    pass


class WeightsMissing(WeightsError):
    pass


class SourceError(EtleError):
    pass


class SourceUnavailable(SourceError):
    pass


class SourceBroken(SourceError):
    pass


class FrameBroken(EtleError):
    pass


class SpoolFull(EtleError):
    pass


class WireError(EtleError):
    pass


class InferenceError(EtleError):
    pass


class StoreError(EtleError):
    pass


class StoreUnavailable(StoreError):
    pass


class EvidenceUnavailable(StoreUnavailable):
    pass


class ArchiveUnavailable(StoreUnavailable):
    pass


class SegmentMissing(ArchiveUnavailable):
    pass


class EvidenceFull(StoreError):
    pass


class ArchiveFull(StoreError):
    pass


class EvidenceCorrupt(StoreError):
    pass


class ValueRejected(StoreError):
    pass


class CaseTaken(StoreError):
    pass


class CaseDecided(StoreError):
    pass


class BrokerError(EtleError):
    pass


class BrokerUnavailable(BrokerError):
    pass


class BrokerRefused(BrokerError):
    pass


class MissingExtra(EtleError):
    """`package` is not installed; the extra `extra` of etle installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'etle[{extra}]'")
