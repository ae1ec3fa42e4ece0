"""Where evidence is kept: a folder, or an S3-compatible store."""

import os
from collections.abc import Mapping
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import EvidenceStore


def open_evidence(place: str | Path, environment: Mapping[str, str] = os.environ) -> EvidenceStore:
    """`place` is a folder or s3://bucket/prefix; for the latter `environment` holds the keys. Raises ConfigError if it is neither or
    the keys are refused, StoreUnavailable if it cannot be reached, MissingExtra."""
    if "://" not in str(place):
        from etle.storage.evidence.folder import FolderEvidence

        return FolderEvidence(Path(place))
    if not str(place).startswith("s3://"):
        raise ConfigError(f"{place} is no place for evidence: it is a folder, or s3://bucket/prefix")
    from etle.storage.evidence.s3 import s3_evidence

    store = s3_evidence(str(place), environment)
    store.check()
    return store
