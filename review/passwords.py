"""Passwords as argon2id hashes. Verification takes equally long for a user that does not exist.

The server verifies in a pool of threads of its own, at a lower priority: sixty guesses at once must neither take the threads that pages
need nor the processor. Twenty-four are verified at a time, so that of an office that signs in at once the last does not wait for all
others.
"""

import asyncio
import os
import sys
import threading
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from etle.errors import ConfigError, MissingExtra

try:
    from argon2 import PasswordHasher, extract_parameters
    from argon2.exceptions import HashingError, InvalidHashError, VerifyMismatchError
    from argon2.low_level import hash_secret
except ImportError as error:
    raise MissingExtra("argon2-cffi", "review") from error

MIN_LENGTH: Final = 10
TIME_COST: Final = 2
MEMORY_KIB: Final = 19 * 1024
"""OWASP's first choice for argon2id: 19 MiB, two passes, one thread. Twenty-four at a time take 456 MiB."""
WORKERS: Final = 24
MAX_WAITING: Final = 100
"""Further attempts are told to come again: an office of fifty signs in at once, and an attack with a thousand fills no memory."""
_NICENESS: Final = 10


class PasswordsBusy(Exception):
    """So many passwords are being verified that this one would wait too long; try again in `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s


class Passwords:
    """Safe to use from several threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1)
        self._dummy_hash = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Raises ConfigError if the password is too short."""
        if len(password) < MIN_LENGTH:
            raise ConfigError(f"a password has at least {MIN_LENGTH} characters")
        return self._hasher.hash(password)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """`password_hash` None means that there is no such user: False, after the same time as for a wrong password."""
        try:
            self._hasher.verify(password_hash or self._dummy_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
        return password_hash is not None

    def hash_like(self, password: str, parameters: str | None) -> str:
        """The hash of the password with the algorithm, costs and salt of `parameters`, which has the form of a hash.

        None means that there is no such user: a hash that is nobody's, after the same time.
        """
        known = parameters or self._dummy_hash
        try:
            costs, salt = extract_parameters(known), known.split("$")[-2]
            hashed = hash_secret(
                password.encode(), b64decode(salt + "=" * (-len(salt) % 4)), costs.time_cost, costs.memory_cost, costs.parallelism,
                costs.hash_len, costs.type, costs.version,
            )  # fmt: skip
        except (InvalidHashError, HashingError, ValueError):
            return self._dummy_hash
        return hashed.decode()


class PasswordPool:
    """Verifies passwords in threads of its own. For one event loop."""

    def __init__(self, passwords: Passwords, workers: int = WORKERS, max_waiting: int = MAX_WAITING) -> None:
        self._passwords = passwords
        self._max_pending = workers + max_waiting
        self._pending = 0
        self._threads = ThreadPoolExecutor(workers, "password", initializer=_lower_priority)

    async def hash_like(self, password: str, parameters: str | None) -> str:
        """Raises PasswordsBusy."""
        if self._pending >= self._max_pending:
            raise PasswordsBusy(retry_after_s=5)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._passwords.hash_like, password, parameters)
        finally:
            self._pending -= 1


def _lower_priority() -> None:
    """Of this thread; Linux has a priority for each."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
