"""Holds: ranges of footage that retention must not delete, each with who placed it and why. A released hold stays on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import ArchiveUnavailable, ConfigError
from etle.protocols import Clock
from etle.storage.archive.files import ArchiveFiles
from etle.storage.archive.segment import SegmentName
from etle.types import CameraId

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    id: str
    camera: CameraId | None
    """None: all cameras."""
    since: datetime
    until: datetime
    """Exclusive."""
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None

    def covers(self, segment: SegmentName) -> bool:
        """Whether it keeps this segment from being deleted."""
        in_force = self.released_at is None and self.camera in (None, segment.camera)
        return in_force and segment.begins_at < self.until and self.since < segment.ends_at


prepare(Hold)


class ArchiveHolds:
    """The holds of a site: a file each, beside the folders of the cameras."""

    def __init__(self, files: ArchiveFiles, site: str, clock: Clock, new_id: Callable[[], str]) -> None:
        self._files = files
        self._folder = f"{site}.holds"  # the name of a site has no dot
        self._clock = clock
        self._new_id = new_id

    def all(self) -> Sequence[Hold]:
        """Also released ones, by time of placing. Raises ArchiveUnavailable if one cannot be read: it may be in force."""
        holds = [self._read(name) for name in self._files.sizes(self._folder) if name.endswith(_SUFFIX)]
        return sorted(holds, key=lambda hold: (hold.placed_at, hold.id))

    def place(self, camera: CameraId | None, since: datetime, until: datetime, reason: str, by: str) -> Hold:
        now = self._clock.now()
        hold = Hold(id=self._new_id(), camera=camera, since=since, until=until, reason=reason, placed_by=by, placed_at=now)
        self._write(hold)
        return hold

    def release(self, id_: str, by: str) -> Hold:
        """Raises ConfigError if there is no such hold in force."""
        hold = next((each for each in self.all() if each.id == id_ and each.released_at is None), None)
        if hold is None:
            raise ConfigError(f"there is no hold {id_!r} in force; `etle archive hold list` shows them")
        released = replace(hold, released_by=by, released_at=self._clock.now())
        self._write(released)
        return released

    def _write(self, hold: Hold) -> None:
        self._files.put(f"{self._folder}/{hold.id}{_SUFFIX}", msgspec.json.encode(hold))

    def _read(self, name: str) -> Hold:
        file = self._files.open(name)
        try:
            return msgspec.json.decode(file.read(0, file.size) if file else b"", type=Hold)
        except msgspec.MsgspecError as error:
            raise ArchiveUnavailable(f"the hold {name} cannot be read, so nothing is deleted: {error}") from error
