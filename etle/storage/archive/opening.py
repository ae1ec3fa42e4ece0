"""Opens the archive that a site file describes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from etle.config.deployment import ArchiveSettings
from etle.config.site import Site
from etle.errors import ConfigError
from etle.protocols import Clock
from etle.storage.archive.files import FOLDER_MODE, ArchiveFiles, FolderFiles
from etle.storage.archive.holds import ArchiveHolds
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.retention import ArchiveRetention, OnDeleted
from etle.storage.archive.writer import ArchiveCounts, ArchiveWriter, SegmentUploader


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlace:
    """Where the archive of a site is."""

    folder: Path
    """All segments; with a bucket those that are not uploaded yet."""
    bucket: str | None
    """s3:// address."""

    @classmethod
    def of(cls, settings: ArchiveSettings, data: Path) -> "ArchivePlace":
        """Raises ConfigError for an address that is neither a folder nor a bucket."""
        location = settings.location
        if location is None or "://" not in location:
            return cls(folder=Path(location or data / "archive"), bucket=None)
        if not location.startswith("s3://"):
            raise ConfigError(f"`archive.location` is a folder or s3://bucket/prefix; here: {location}")
        return cls(folder=data / "archive", bucket=location)

    def files(self, environment: Mapping[str, str] = os.environ) -> tuple[ArchiveFiles, ...]:
        """The folder first. Does not connect. Raises ConfigError, MissingExtra."""
        folder = FolderFiles(self.folder)
        if self.bucket is None:
            return (folder,)
        from etle.storage.archive.bucket import BucketFiles
        from etle.storage.evidence.s3 import s3_store

        return folder, BucketFiles(s3_store(self.bucket, environment), self.bucket)


def archive_settings(site: Site) -> ArchiveSettings:
    """Raises ConfigError if the site has no archive."""
    if site.archive is None:
        raise ConfigError(f"the site {site.site!r} has no archive: add the section `archive` to its site file")
    return site.archive


def open_archive_reader(site: Site, place: ArchivePlace) -> ArchiveReader:
    return ArchiveReader(place.files(), site.site)


def open_archive_holds(site: Site, place: ArchivePlace, clock: Clock) -> ArchiveHolds:
    """They are kept where the segments are kept."""
    return ArchiveHolds(place.files()[-1], site.site, clock, lambda: uuid4().hex[:12])


@contextmanager
def open_archive_writer(
    site: Site, place: ArchivePlace, clock: Clock, *, evidence: str | Path, on_deleted: OnDeleted | None = None
) -> Iterator[ArchiveWriter]:
    """Finishes the open segments on exit. Raises ConfigError if the archive would share its folder with the `evidence`."""
    settings, counts = archive_settings(site), ArchiveCounts(on_deleted=on_deleted)
    refuse_shared_folder(place, evidence)
    place.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    files, holds = place.files(), open_archive_holds(site, place, clock)
    writer = ArchiveWriter(
        place.folder,
        site.site,
        settings,
        clock,
        ArchiveRetention(files[-1], site.site, settings, holds, counts.count_deleted),
        counts,
        space=ArchiveRetention(files[0], site.site, settings, holds, counts.count_deleted),
        upload=_uploader(place.folder, files[-1]),
    )
    try:
        yield writer
    finally:
        writer.close()


def _uploader(folder: Path, files: ArchiveFiles) -> SegmentUploader | None:
    if isinstance(files, FolderFiles):
        return None
    from etle.storage.archive.bucket import BucketFiles, BucketUploader

    assert isinstance(files, BucketFiles), "an archive is in a folder or in a bucket"
    return BucketUploader(folder, files)


def refuse_shared_folder(place: ArchivePlace, evidence: str | Path) -> None:
    """Raises ConfigError if one folder is in the other: retention must never come near evidence."""
    if "://" in str(evidence):
        return
    archive, other = place.folder.absolute(), Path(evidence).absolute()
    if archive == other or archive in other.parents or other in archive.parents:
        raise ConfigError(f"the archive {archive} and the evidence {other} have to be in folders of their own: set `archive.location`")
