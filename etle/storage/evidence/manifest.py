"""The signed list of what belongs to a violation, so that years later nobody has to take our database's word for it.

A manifest is canonical JSON: every file's digest and size, and the violation itself with the frames' times and the digests of the code,
models and configuration that made it. It is an evidence file of its own, signed with this installation's Ed25519 key. The signature
stands in the file beside the text that it covers, together with the public key; whose key it is tells its fingerprint, which is to be
written down elsewhere when the key is made. With the files and their manifests a lost database can be made anew.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from etle.errors import EvidenceCorrupt, MissingExtra, WireError
from etle.signing import Signer as Signer  # those who make manifests find it here
from etle.types import Digest, EvidenceFile, Violation, digest_of
from etle.wire import violation_from_json, violation_to_json

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ModuleNotFoundError as absent:
    raise MissingExtra("cryptography", "store") from absent

SUFFIX: Final = ".manifest"
FORMAT: Final = "etle-manifest-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest that verified says."""

    violation: Violation
    files: tuple[Digest, ...]
    key: Digest
    """Fingerprint of the key that signed it."""


def make_manifest(violation: Violation, files: Sequence[EvidenceFile], signer: Signer) -> EvidenceFile:
    """The same violation, files and key give the same bytes: a replay after a crash makes no second one."""
    told = _canonical(_told(violation, files))
    sealed = {
        "manifest": told.decode(),
        "public_key": signer.public_key.hex(),
        "signature": signer.sign(told).hex(),
    }
    data = _canonical(sealed)
    return EvidenceFile(sha256=digest_of(data), suffix=SUFFIX, data=data)


def read_manifest(data: bytes) -> Manifest:
    """Raises EvidenceCorrupt if it is none, or its signature is not that of the key it names."""
    try:
        sealed = json.loads(data)
        told = str(sealed["manifest"]).encode()
        public_key = bytes.fromhex(sealed["public_key"])
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(sealed["signature"]), told)
        content = json.loads(told)
        if content["format"] != FORMAT:
            raise EvidenceCorrupt(f"a manifest of format {content['format']!r}; this etle reads {FORMAT}")
        files = tuple(Digest(file["sha256"]) for file in content["files"])
        return Manifest(violation=violation_from_json(json.dumps(content["violation"])), files=files, key=digest_of(public_key))
    except InvalidSignature as error:
        raise EvidenceCorrupt("the manifest's signature does not fit its text") from error
    except (ValueError, KeyError, TypeError, RecursionError, WireError) as error:
        raise EvidenceCorrupt(f"not a manifest: {error!r}") from error


def _told(violation: Violation, files: Sequence[EvidenceFile]) -> dict[str, Any]:
    listed = sorted(files, key=lambda file: file.sha256)
    return {
        "format": FORMAT,
        "violation": json.loads(violation_to_json(violation)),
        "files": [{"sha256": file.sha256, "suffix": file.suffix, "bytes": len(file.data)} for file in listed],
    }


def _canonical(value: object) -> bytes:
    """One text for one value: keys in order, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
