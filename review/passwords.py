"""Passwords as argon2id hashes. Verification takes equally long for a user that does not exist."""

import threading
from typing import Final

from etle.errors import ConfigError, MissingExtra

try:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerifyMismatchError
except ImportError as error:
    raise MissingExtra("argon2-cffi", "review") from error

MIN_LENGTH: Final = 10


class Passwords:
    """Verifies one password at a time: each verification takes 64 MiB, and many parallel guesses must not exhaust the memory."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._dummy_hash = self._hasher.hash("nobody has this password")
        self.lock = threading.RLock()

    def hash(self, password: str) -> str:
        """Raises ConfigError if the password is too short."""
        if len(password) < MIN_LENGTH:
            raise ConfigError(f"a password has at least {MIN_LENGTH} characters")
        return self._hasher.hash(password)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """`password_hash` None means that there is no such user: False, after the same time as for a wrong password."""
        with self.lock:
            try:
                self._hasher.verify(password_hash or self._dummy_hash, password)
            except (VerifyMismatchError, InvalidHashError):
                return False
        return password_hash is not None
