"""Ed25519 keys: an installation signs its manifests, a box beside the cameras its frames.

The private key stays where it was made. Whose a signature is, its public key tells, which is to be carried to whoever checks by another way
than the frames.
"""

import os
from pathlib import Path
from typing import Final, Self

from etle.config.deployment import IngestSettings
from etle.errors import ConfigError, MissingExtra
from etle.types import CameraId, Digest, digest_of
from etle.wire import Verify

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )
except ModuleNotFoundError as absent:
    raise MissingExtra("cryptography", "ingest") from absent


class Signer:
    """The Ed25519 key of an installation or a box."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key: Final = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Makes the key if there is none, readable by its owner only. Raises ConfigError if the file is something else."""
        if not file.exists():
            _make_key(file)
        return cls.read(file)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises ConfigError if there is none, or the file is something else."""
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

    @property
    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def pairs(self, public: Ed25519PublicKey) -> bool:
        """Whether that is the other half of this key."""
        return self._key.public_key() == public


def read_public_key(file: Path) -> Ed25519PublicKey:
    """Raises ConfigError."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except (ValueError, OSError) as error:
        raise ConfigError(f"{file} is not a public key that can be read: {error}. `etle keys ingest` writes one on the box") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{file} is a public key, but not an Ed25519 one")
    return key


def frame_verifier(settings: IngestSettings) -> Verify | None:
    """Whether a signature is that of a box which may speak for the camera; None where the site names no boxes. Raises ConfigError."""
    if not settings.devices:
        return None
    keys = [(frozenset(device.cameras), read_public_key(device.public_key)) for device in settings.devices]

    def verify(camera: CameraId, signed: bytes, signature: bytes) -> bool:
        return any(_fits(key, signed, signature) for cameras, key in keys if not cameras or camera in cameras)

    return verify


def _fits(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _make_key(file: Path) -> None:
    """Whole or not at all, and never over another: of two processes that start together one makes it."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_once(file, pem, 0o600)


def write_once(file: Path, data: bytes, mode: int) -> None:
    """Nothing happens if the file is there already."""
    unfinished = file.with_name(f"{file.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(unfinished, file)
        except FileExistsError:
            return
    finally:
        unfinished.unlink(missing_ok=True)
