"""A site file that is changed from the browser: who saved it when, the last ten versions, and no change over somebody else's.

The versions lie beside the site file in `SITE.versions/`, one file each. Its name has number, time and author, so that there is no second
list that could contradict it. What was written by hand between two savings is kept as a version without an author.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE
from typing import Final

from etle.errors import ConfigError, SiteFileChanged
from etle.files import FileLock, write_atomic
from etle.protocols import Clock
from etle.types import Digest, digest_of

KEPT_VERSIONS: Final = 10
NOBODY: Final = "-"
"""In place of an author: the file was edited by hand."""
_NAME: Final = re.compile(r"(\d{5})_(\d{8}T\d{6}Z)_([a-z0-9._-]+)\.yaml")
_TIME: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteText:
    text: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteVersion:
    number: int
    at: datetime
    by: str
    digest: Digest


class SiteFile:
    """One site file and its versions. Safe to use from several threads and processes."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._folder = path.with_name(f"{path.name}.versions")

    def read(self) -> SiteText:
        """Raises ConfigError if it cannot be read."""
        try:
            data = self.path.read_bytes()
            return SiteText(text=data.decode(), digest=digest_of(data))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error

    def save(self, change: Callable[[str], str], by: str, known: Digest) -> SiteVersion:
        """Replaces the content by `change` of it. `known`: digest of the content on which the change is based.

        Raises SiteFileChanged if the file has changed since; then nothing is written. Raises ConfigError if it cannot be written.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            with FileLock(self._folder / "lock"):
                present = self.read()
                if present.digest != known:
                    raise SiteFileChanged(self._changed_by(present.digest))
                self._keep_unsaved(present)
                data = change(present.text).encode()
                at = self._clock.now()
                version = self._keep(data, by, at)
                self._write(data)
                self._forget_old()
                return version
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error}") from error

    def restore(self, number: int, by: str, known: Digest) -> SiteVersion:
        """Saves the content of an earlier version as a new one. Raises as `save` does."""
        return self.save(lambda _: self.text_of(number), by, known)

    def versions(self) -> tuple[SiteVersion, ...]:
        """The newest first."""
        found = [(match, path) for path in self._folder.glob("*.yaml") if (match := _NAME.fullmatch(path.name))]
        return tuple(
            SiteVersion(
                number=int(match[1]),
                at=datetime.strptime(match[2], _TIME).replace(tzinfo=UTC),
                by=match[3],
                digest=digest_of(path.read_bytes()),
            )
            for match, path in sorted(found, key=lambda each: each[0][1], reverse=True)
        )

    def text_of(self, number: int) -> str:
        """Raises ConfigError for a version that is not kept."""
        return self._path_of(number).read_text("utf-8")

    def difference(self, number: int) -> str:
        """What restoring the version would change, as a unified diff; empty for the present content."""
        now, then = self.read().text.splitlines(), self.text_of(number).splitlines()
        return "\n".join(difflib.unified_diff(now, then, "now", f"version {number}", lineterm="", n=2))

    def _path_of(self, number: int) -> Path:
        found = [path for path in self._folder.glob(f"{number:05}_*.yaml") if _NAME.fullmatch(path.name)]
        if not found:
            raise ConfigError(f"version {number} of {self.path.name} is not kept; the last {KEPT_VERSIONS} are")
        return found[0]

    def _keep_unsaved(self, present: SiteText) -> None:
        """Keeps what was written by hand since the last saving."""
        newest = next(iter(self.versions()), None)
        if newest is None or newest.digest != present.digest:
            written_at = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
            self._keep(present.text.encode(), NOBODY, written_at)

    def _keep(self, data: bytes, by: str, at: datetime) -> SiteVersion:
        number = max((each.number for each in self.versions()), default=0) + 1
        write_atomic(self._folder / f"{number:05}_{at.astimezone(UTC):{_TIME}}_{by}.yaml", data)
        return SiteVersion(number=number, at=at, by=by, digest=digest_of(data))

    def _write(self, data: bytes) -> None:
        """A link to the file stays one."""
        target = self.path.resolve()
        write_atomic(target, data, mode=S_IMODE(target.stat().st_mode))

    def _forget_old(self) -> None:
        for version in self.versions()[KEPT_VERSIONS:]:
            self._path_of(version.number).unlink()

    def _changed_by(self, digest: Digest) -> str:
        newest = next(iter(self.versions()), None)
        if newest is not None and newest.digest == digest and newest.by != NOBODY:
            return f"{newest.by} saved {self.path.name} at {newest.at:%H:%M:%S} UTC, after this page was loaded"
        return f"{self.path.name} was edited by hand after this page was loaded"
