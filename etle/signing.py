"""Ed25519 keys: an installation signs its manifests, an edge device signs its frames.

The private key stays on the machine on which it was made. Verify with the public key; distribute it out of band, not with the frames.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from etle.config.deployment import IngestSettings
from etle.errors import ConfigError, MissingExtra
from etle.files import write_atomic
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
    """The Ed25519 key of an installation or an edge device."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key: Final = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Create the key if the file is missing, readable by its owner only, with its public key beside it.

        Raises ConfigError if the file holds something else, or if it is missing although its public key is there: it was lost then.
        """
        if not file.exists():
            if public_file(file).exists():
                raise ConfigError(
                    f"the private key {file} does not exist, but its public key {public_file(file)} does. Restore it from a backup."
                    " If it is lost, generate a new one with `etle keys`, which keeps the old public key."
                )
            _create_key(file)
        signer = cls.read(file)
        _write_public_key(file, signer)
        return signer

    @classmethod
    def replace_lost(cls, file: Path) -> Self:
        """Like `from_file`, and creates a key in place of a lost one. The public key of the lost one is kept, named by its fingerprint."""
        public = public_file(file)
        if not file.exists() and public.exists():
            public.rename(public.with_name(f"{file.stem}-{public_fingerprint(public)[:16]}.pub"))
        return cls.from_file(file)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises ConfigError if the file is missing or holds something else."""
        try:
            key = load_pem_private_key(file.read_bytes(), password=None)
        except (ValueError, TypeError, OSError) as error:
            raise ConfigError(f"{file} is not a private key that can be read: {error}. Restore it from a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{file} is a private key, but not an Ed25519 one")
        return cls(key)

    @property
    def fingerprint(self) -> Digest:
        """SHA-256 of the raw public key."""
        return digest_of(self.public_key)

    @property
    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def matches(self, public: Ed25519PublicKey) -> bool:
        """Whether `public` is the public key of this private key."""
        return self._key.public_key() == public


class PublicKeys:
    """Keys that are trusted, by fingerprint. Of some only the fingerprint is known until a signed document brings the key itself."""

    def __init__(self, fingerprints: Iterable[Digest] = (), files: Iterable[Path] = ()) -> None:
        """`files`: public keys (PEM). Raises ConfigError if one cannot be read."""
        self._keys: dict[Digest, Ed25519PublicKey | None] = dict.fromkeys(fingerprints)
        self._retired_at: dict[Digest, datetime] = {}
        for file in files:
            self.add_file(file)

    def __contains__(self, fingerprint: object) -> bool:
        return fingerprint in self._keys

    def __iter__(self) -> Iterator[Digest]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, raw: bytes) -> None:
        """Trust the key."""
        self._keys[digest_of(raw)] = Ed25519PublicKey.from_public_bytes(raw)

    def add_file(self, file: Path, retired_at: datetime | None = None) -> None:
        """Trust the key in the file (PEM), for what it signed before `retired_at`. Raises ConfigError."""
        raw = read_public_key(file).public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.add(raw)
        if retired_at is not None:
            self._retired_at[digest_of(raw)] = retired_at

    def retired_before(self, fingerprint: str, at: datetime) -> bool:
        """Whether the key was retired when it signed."""
        retired_at = self._retired_at.get(Digest(fingerprint))
        return retired_at is not None and at > retired_at

    def known(self) -> Mapping[Digest, bytes]:
        """The raw keys by fingerprint, without those of which only the fingerprint is known."""
        return {name: key.public_bytes(Encoding.Raw, PublicFormat.Raw) for name, key in self._keys.items() if key is not None}

    def learn(self, raw: bytes) -> None:
        """A key that came with a signed document: kept if its fingerprint is trusted."""
        if digest_of(raw) in self._keys:
            self.add(raw)

    def verify(self, fingerprint: str, signed: bytes, signature: bytes) -> bool:
        """False also if of this key only the fingerprint is known."""
        key = self._keys.get(Digest(fingerprint))
        return key is not None and _is_valid(key, signed, signature)


def is_signed_by(raw_public_key: bytes, signed: bytes, signature: bytes) -> bool:
    """Raises ValueError if the key is none."""
    return _is_valid(Ed25519PublicKey.from_public_bytes(raw_public_key), signed, signature)


def public_file(private: Path) -> Path:
    """Where the public key of a private key is kept."""
    return private.with_suffix(".pub")


def public_fingerprint(file: Path) -> Digest:
    """SHA-256 of the raw public key in the file (PEM). Raises ConfigError."""
    return digest_of(read_public_key(file).public_bytes(Encoding.Raw, PublicFormat.Raw))


def read_public_key(file: Path) -> Ed25519PublicKey:
    """Raises ConfigError."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except (ValueError, OSError) as error:
        raise ConfigError(f"{file} is not a public key that can be read: {error}. `etle keys ingest` writes one on the device") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{file} is a public key, but not an Ed25519 one")
    return key


def frame_verifier(settings: IngestSettings) -> Verify | None:
    """Checks that a frame is signed by a device that may sign for its camera; None if the site names no devices. Raises ConfigError."""
    if not settings.devices:
        return None
    keys = [(frozenset(device.cameras), read_public_key(device.public_key)) for device in settings.devices]

    def verify(camera: CameraId, signed: bytes, signature: bytes) -> bool:
        return any(_is_valid(key, signed, signature) for cameras, key in keys if not cameras or camera in cameras)

    return verify


def message_verifier(keys: Sequence[Path]) -> Callable[[bytes, bytes], bool] | None:
    """Checks that one of these public keys (PEM) made a signature; None without keys. Raises ConfigError."""
    if not keys:
        return None
    trusted = [read_public_key(file) for file in keys]
    return lambda signed, signature: any(_is_valid(key, signed, signature) for key in trusted)


def _is_valid(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _write_public_key(file: Path, signer: Signer) -> None:
    """The folder of the private key may be read-only, such as a mounted secret: then the loss of the key cannot be told from a new one."""
    with suppress(OSError):
        if not public_file(file).exists():
            write_atomic(public_file(file), signer.public_pem)


def _create_key(file: Path) -> None:
    """Never overwrites another key: of two processes that start together, one creates it."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, pem, mode=0o600, overwrite=False)
