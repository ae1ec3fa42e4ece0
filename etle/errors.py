"""Every error that etle raises on purpose.

    EtleError
    ├── ConfigError            a site file, law file or setting is wrong: names the file, the key and the way out
    ├── WeightsError           a model file is absent, of another digest, or cannot be made
    │   └── WeightsMissing     ... absent: `etle models pull` brings it
    ├── SourceError            a camera, file or folder cannot be read
    │   ├── SourceUnavailable  ... now, but perhaps later: the reader waits and tries again
    │   └── SourceBroken       ... what it holds is damaged; what could be read was read
    ├── FrameBroken            one picture cannot be decoded: counted and set aside, the camera goes on
    ├── SpoolFull              no room, or no writing, on the box's disk: live cameras give up their oldest frames, others wait
    ├── WireError              a message does not say what the contract says: set aside with its reason
    ├── InferenceError         a model failed on a picture: the stage stops loudly
    ├── StoreError             database or evidence store
    │   ├── StoreUnavailable   ... away: pause and try again
    │   │   └── EvidenceUnavailable  ... and it is the evidence store
    │   ├── EvidenceFull       ... no space left: free some, nothing was lost
    │   ├── EvidenceCorrupt    ... bytes do not have the digest they are filed under
    │   └── CaseTaken          ... another reviewer has the case on the screen
    ├── BrokerError            Kafka
    │   ├── BrokerUnavailable  ... away: spool or pause, and try again
    │   └── BrokerRefused      ... says no: a topic is missing, a message too large, we may not
    └── MissingExtra           a package that the role needs is not installed: names the pip command

A message names the thing and the way out. `None` or an empty tuple means "looked, there was none"; "could not look" is raised.
"""


class EtleError(Exception):
    """Base of all errors that etle raises on purpose. The message is for the person at the keyboard."""


class ConfigError(EtleError):
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


class EvidenceFull(StoreError):
    pass


class EvidenceCorrupt(StoreError):
    pass


class CaseTaken(StoreError):
    pass


class BrokerError(EtleError):
    pass


class BrokerUnavailable(BrokerError):
    pass


class BrokerRefused(BrokerError):
    pass


class MissingExtra(EtleError):
    """`package` is not installed; `extra` of etle brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. It comes with: pip install 'etle[{extra}]'")
