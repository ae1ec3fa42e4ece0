"""The manifest: a signed list of the files of a violation, with which it can be verified without the database.

A manifest is canonical JSON: the digest and size of every file, and the violation itself with the times of its frames and the digests of
the code, models and configuration that found it. It is an evidence file, signed with the Ed25519 key of this installation. It contains
the signed text, the signature and the public key. A key is identified by its fingerprint; record it elsewhere when the key is generated.
Files and manifests are enough to rebuild a lost database.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from etle.canonical_json import canonical_json
from etle.errors import EvidenceCorrupt, MissingExtra, WireError
from etle.signing import Signer as Signer  # re-exported for callers of make_manifest
from etle.types import Digest, EvidenceFile, Violation, digest_of
from etle.wire import violation_from_json, violation_to_json

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ModuleNotFoundError as absent:
    raise MissingExtra("cryptography", "store") from absent

SUFFIX: Final = ".manifest"
FORMAT: Final = "etle-manifest-1"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FileRecord:
    """What manifest and database record of an evidence file."""

    sha256: Digest
    suffix: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a manifest whose signature is valid."""

    violation: Violation
    files: tuple[FileRecord, ...]
    key: Digest
    """Fingerprint of the key that signed it."""
    public_key: bytes


def make_manifest(violation: Violation, files: Sequence[EvidenceFile], signer: Signer) -> EvidenceFile:
    """Deterministic: a replay after a crash gives the same bytes, and thus no second file."""
    text = canonical_json(_content(violation, files))
    signed = {
        "manifest": text.decode(),
        "public_key": signer.public_key.hex(),
        "signature": signer.sign(text).hex(),
    }
    data = canonical_json(signed)
    return EvidenceFile(sha256=digest_of(data), suffix=SUFFIX, data=data)


def read_manifest(data: bytes) -> Manifest:
    """Check the signature and parse. Raises EvidenceCorrupt if it is not a manifest or the signature is invalid.

    Whether the key is trusted is for the caller to check.
    """
    try:
        signed = json.loads(data)
        text = str(signed["manifest"]).encode()
        public_key = bytes.fromhex(signed["public_key"])
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signed["signature"]), text)
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise EvidenceCorrupt(f"a manifest of format {content['format']!r}; this version of etle reads {FORMAT}")
        violation = violation_from_json(json.dumps(content["violation"]))
        files = tuple(FileRecord(sha256=file["sha256"], suffix=file["suffix"], bytes=file["bytes"]) for file in content["files"])
        return Manifest(violation=violation, files=files, key=digest_of(public_key), public_key=public_key)
    except InvalidSignature as error:
        raise EvidenceCorrupt("the manifest's signature is invalid") from error
    except (ValueError, KeyError, TypeError, RecursionError, WireError) as error:
        raise EvidenceCorrupt(f"not a manifest: {error!r}") from error


def _content(violation: Violation, files: Sequence[EvidenceFile]) -> dict[str, Any]:
    ordered = sorted(files, key=lambda file: file.sha256)
    return {
        "format": FORMAT,
        "violation": json.loads(violation_to_json(violation)),
        "files": [{"sha256": file.sha256, "suffix": file.suffix, "bytes": len(file.data)} for file in ordered],
    }
