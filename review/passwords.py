"""Passwords as argon2id hashes, and the check that takes as long for nobody as for somebody."""

import threading
from typing import Final

from etle.errors import ConfigError, MissingExtra

try:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerifyMismatchError
except ImportError as error:
    raise MissingExtra("argon2-cffi", "review") from error

SHORTEST: Final = 10


class Passwords:
    """One check at a time: each takes 64 MiB, and a crowd of guesses must not take the machine's memory."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody has this password")
        self.turn = threading.RLock()

    def hash(self, password: str) -> str:
        """Raises ConfigError if it is too short to be one."""
        if len(password) < SHORTEST:
            raise ConfigError(f"a password has at least {SHORTEST} characters")
        return self._hasher.hash(password)

    def fits(self, password: str, password_hash: str | None) -> bool:
        """`password_hash` None: there is no such user; the answer is no, and takes as long."""
        with self.turn:
            try:
                self._hasher.verify(password_hash or self._nobody, password)
            except (VerifyMismatchError, InvalidHashError):
                return False
        return password_hash is not None
