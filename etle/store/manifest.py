"""The signed list of what belongs to a violation, so that years later nobody has to take our database's word for it.

A manifest is canonical JSON: every file's digest and size, and the violation itself with the frames' times and the digests of the code,
models and configuration that made it. It is an evidence file of its own, signed with this installation's Ed25519 key. The signature
stands in the file beside the text that it covers, together with the public key; whose key it is tells its fingerprint, which is to be
written down elsewhere when the key is made. With the files and their manifests a lost database can be made anew.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from etle.errors import ConfigError, EvidenceCorrupt, MissingExtra, WireError
from etle.types import Digest, EvidenceFile, Violation, digest_of
from etle.wire import violation_from_json, violation_to_json

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
except ModuleNotFoundError as absent:
    raise MissingExtra("cryptography", "store") from absent

SUFFIX: Final = ".manifest"
FORMAT: Final = "etle-manifest-1"


class Signer:
    """The Ed25519 key of this installation."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key: Final = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Makes the key if there is none, readable by its owner only. Raises ConfigError if the file is something else."""
        if not file.exists():
            _make_key(file)
        try:
            key = load_pem_private_key(file.read_bytes(), password=None)
        except (ValueError, TypeError, OSError) as error:
            raise ConfigError(f"{file} is not a private key that can be read: {error}. Bring it back from a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{file} is a private key, but not an Ed25519 one")
        return cls(key)

    @property
    def fingerprint(self) -> Digest:
        return digest_of(self.public_key)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


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


def _make_key(file: Path) -> None:
    """Whole or not at all, and never over another: of two processes that start together one makes it."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(unfinished, file)
        except FileExistsError:
            return
    finally:
        unfinished.unlink(missing_ok=True)
