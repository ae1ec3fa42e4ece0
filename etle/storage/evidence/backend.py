"""Opens the evidence store of a deployment: a folder, or an S3-compatible store."""

import os
from collections.abc import Mapping
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import EvidenceStore


def open_evidence(address: str | Path, environment: Mapping[str, str] = os.environ, *, read_only: bool = False) -> EvidenceStore:
    """`address` is a folder or s3://bucket/prefix; the keys for S3 are read from `environment`. `read_only`: a folder is not created.

    Raises ConfigError if the address is neither or the keys are rejected, StoreUnavailable if the store cannot be reached, MissingExtra.
    """
    if "://" not in str(address):
        from etle.storage.evidence.folder import FolderEvidence

        return FolderEvidence(Path(address), read_only=read_only)
    if not str(address).startswith("s3://"):
        raise ConfigError(f"{address} is not an address of an evidence store: use a folder or s3://bucket/prefix")
    from etle.storage.evidence.s3 import s3_evidence

    store = s3_evidence(str(address), environment)
    store.check()
    return store
