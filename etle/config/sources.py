"""The `source` of a camera: one class per kind of source. The key that holds the path or the address selects the class.

To add a kind of source, write its file in `ingest/sources/` with a function `open_source(camera, settings, context)`, and add one class
here and to `SourceSettings`. Nothing else in the tree lists the kinds.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, get_args

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from etle.address import Address, check_address
from etle.config.strict_yaml import Name, Section
from etle.errors import EtleError
from etle.media.footage_identity import file_identity, folder_identities, pictures_in
from etle.types import Quality

_MIN_YEAR, _MAX_YEAR = 2000, 2100
_MAX_ADDED: Final = 5000
"""Pictures that may be added to a folder between two runs without its first ones being looked at again."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(Section):
    """Hours of some days, in the site's time zone. Hours that run over midnight belong to the day on which they begin."""

    days: tuple[Day, ...] = Field(DAYS, min_length=1)
    begins: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM")
    ends: str = Field(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", description="HH:MM, up to 24:00; before `begins`: on the next day."
    )

    @field_validator("begins", "ends", mode="before")
    @classmethod
    def from_sexagesimal(cls, value: Any) -> Any:
        """YAML reads 22:00 without quotation marks as a number to base sixty."""
        return f"{value // 60:02}:{value % 60:02}" if isinstance(value, int) else value


class SourceSection(Section):
    """What the kinds of sources have in common."""

    kind: ClassVar[str]
    """The key that holds the path, the address or the name."""
    summary: ClassVar[str]
    """One line for the comments of a new site file: what the key holds, and the options of this kind."""
    live: ClassVar[bool]
    """True if frames that are not read in time are lost."""
    opener: ClassVar[str | None]
    """`module:function` that opens the source, imported when it is needed; None: etle does not read it, the vendor's device pushes."""

    @property
    def pushed_by(self) -> str | None:
        """The vendor whose devices push the frames; None if etle reads them itself."""
        return None

    def stream_suffix(self) -> str:
        """Identifies the footage in the name of a checkpoint, behind site and camera; empty for a live source."""
        return ""

    def earlier_suffixes(self) -> Iterator[str]:
        """The suffixes that the same footage had when it was shorter, the longest first: a checkpoint under one of them is continued."""
        return iter(())

    def expected_frames(self) -> int | None:
        """Number of frames for a progress bar; None if it is not known."""
        return None

    def with_timeout(self, timeout_s: float) -> Self:
        """The same source with another timeout, where the kind has one."""
        return self


class _ReadSection(SourceSection):
    """A source that etle reads itself, and whose pictures it may encode again."""

    max_width: int | None = Field(
        None, ge=320, le=16384, description="Wider pictures are made smaller, in proportion. `frame_size` is then the smaller size."
    )
    quality: Quality | None = Field(
        None, description="Encode pictures in this quality; without it JPEGs are passed on unchanged and video is encoded as `normal`."
    )


class RecordedSection(_ReadSection):
    """A source that waits until it is read, and gives the same frames each time."""

    live: ClassVar[bool] = False
    schedule: ClassVar[tuple[Hours, ...]] = ()
    starts_at: datetime | None = Field(None, description="When the first picture was taken, with its UTC offset.")

    @field_validator("starts_at", mode="before")
    @classmethod
    def written_as_a_time(cls, value: Any) -> Any:
        """A number would be taken for seconds since 1970: `20261123100000` for the year 2612."""
        if isinstance(value, int | float) or (isinstance(value, str) and value.strip().lstrip("+-").replace(".", "").isdecimal()):
            raise ValueError('a time is written as "2026-11-23T10:00:00+07:00", not as a number')
        return value

    @field_validator("starts_at")
    @classmethod
    def with_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError('a time needs its UTC offset, such as "2026-11-23T10:00:00+07:00"')
        if value is not None and not _MIN_YEAR <= value.year < _MAX_YEAR:
            raise ValueError(f"the year {value.year} is not the year of a recording")
        return value


class CameraSection(_ReadSection):
    """A camera that etle connects to."""

    live: ClassVar[bool] = True
    schemes: ClassVar[tuple[str, ...]]
    timeout_s: float = Field(10.0, gt=0, description="Seconds without data after which the camera is connected again.")
    schedule: tuple[Hours, ...] = Field((), description="Read the camera at these hours only; without it, always.")

    @model_validator(mode="after")
    def has_scheme(self) -> Self:
        if self.address.partition(":")[0].lower() not in self.schemes:
            raise ValueError(f"`{self.kind}` is an address that begins with {', '.join(f'{scheme}://' for scheme in self.schemes)}")
        check_address(self.address)
        return self

    @property
    def address(self) -> str:
        return str(getattr(self, self.kind))

    @property
    def description(self) -> str:
        """The address without user and password."""
        return Address.of(self.address).shown

    def with_timeout(self, timeout_s: float) -> Self:
        return self.model_copy(update={"timeout_s": timeout_s})


class FileSourceSettings(RecordedSection):
    """A video file."""

    kind: ClassVar[str] = "file"
    summary: ClassVar[str] = "a video (starts_at: when its first picture was taken; fps: thin it out to that rate)"
    opener: ClassVar[str | None] = "ingest.sources.video_file:open_source"
    file: Path = Field(description="A video file (MP4, AVI, MKV ...), relative to the site file.")
    fps: float | None = Field(None, gt=0, le=60, description="Thin the file out to this rate.")

    @property
    def description(self) -> str:
        return str(self.file)

    def stream_suffix(self) -> str:
        return f"/{self.file.name}/{file_identity(self.file)}/{self.starts_at}/{self.fps}"

    def expected_frames(self) -> int | None:
        from etle.media.video import Video

        if not self.file.exists():
            return None
        try:
            with Video(str(self.file)) as video:
                info = video.info
        except EtleError:
            return None  # opening the source for reading reports what is wrong with it
        if self.fps and info.duration_s:
            return round(info.duration_s * min(self.fps, info.fps or self.fps))
        return info.pictures


class FolderSourceSettings(RecordedSection):
    """A folder of pictures."""

    kind: ClassVar[str] = "folder"
    summary: ClassVar[str] = "JPEGs or PNGs (starts_at and fps, if they tell no time themselves)"
    opener: ClassVar[str | None] = "ingest.sources.folder:open_source"
    folder: Path = Field(description="A folder of JPEG or PNG pictures, read in the order of their names.")
    fps: float | None = Field(None, gt=0, le=60, description="The rate at which the pictures were taken, if they hold no time.")

    @property
    def description(self) -> str:
        return str(self.folder)

    def stream_suffix(self) -> str:
        return self._suffix(next(folder_identities(self.folder), ""))

    def earlier_suffixes(self) -> Iterator[str]:
        return map(self._suffix, islice(folder_identities(self.folder), 1, 1 + _MAX_ADDED))

    def _suffix(self, identity: str) -> str:
        return f"/{self.folder.absolute()}/{identity}/{self.starts_at}/{self.fps}"

    def expected_frames(self) -> int | None:
        return len(pictures_in(self.folder)) if self.folder.is_dir() else None


class RtspSourceSettings(CameraSection):
    """A camera that sends video over RTSP, or a video over HTTP."""

    kind: ClassVar[str] = "rtsp"
    summary: ClassVar[str] = "address of a camera that sends video (fps; timeout_s: silent for so long means connect again)"
    opener: ClassVar[str | None] = "ingest.sources.rtsp:open_source"
    schemes: ClassVar[tuple[str, ...]] = ("rtsp", "rtsps", "http", "https")
    rtsp: str = Field(description="Address of an RTSP camera, or of a video over HTTP.")
    fps: float | None = Field(None, gt=0, le=60, description="Thin the stream out to this rate.")


class MjpegSourceSettings(CameraSection):
    """A camera that pushes JPEGs over HTTP."""

    kind: ClassVar[str] = "mjpeg"
    summary: ClassVar[str] = "address of a camera that pushes JPEGs (fps, timeout_s)"
    opener: ClassVar[str | None] = "ingest.sources.mjpeg:open_source"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    mjpeg: str = Field(description="HTTP address of a camera that pushes JPEGs (multipart/x-mixed-replace).")
    fps: float | None = Field(None, gt=0, le=60, description="Thin the stream out to this rate.")


class SnapshotSourceSettings(CameraSection):
    """An address that answers each request with one JPEG."""

    kind: ClassVar[str] = "snapshot"
    summary: ClassVar[str] = "address that answers with one JPEG (interval_s between two, timeout_s)"
    opener: ClassVar[str | None] = "ingest.sources.snapshot:open_source"
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")
    snapshot: str = Field(description="HTTP address that answers with one JPEG.")
    interval_s: float = Field(1.0, gt=0, description="Seconds between two snapshots.")


class PushSourceSettings(SourceSection):
    """A vendor's device that pushes frames over HTTP to `etle vendor serve`."""

    kind: ClassVar[str] = "vendor"
    summary: ClassVar[str] = "a vendor of `ingest.vendors` whose device pushes the frames"
    live: ClassVar[bool] = True
    opener: ClassVar[str | None] = None
    schedule: ClassVar[tuple[Hours, ...]] = ()
    vendor: Name = Field(description="A vendor's device that pushes frames over HTTP; one of `ingest.vendors`.")

    @property
    def description(self) -> str:
        return f"vendor {self.vendor!r}"

    @property
    def pushed_by(self) -> str | None:
        return self.vendor


_Member: TypeAlias = (
    FileSourceSettings | FolderSourceSettings | RtspSourceSettings | MjpegSourceSettings | SnapshotSourceSettings | PushSourceSettings
)
SOURCE_KINDS: Final[dict[str, type[SourceSection]]] = {member.kind: member for member in get_args(_Member)}
"""The classes by the key that selects them."""
_KEYS: Final = frozenset(key for member in SOURCE_KINDS.values() for key in member.model_fields)


def _select(value: Any, info: ValidationInfo) -> Any:
    """The class is selected here and not by pydantic, so that a key of another kind is explained and not just unknown."""
    if isinstance(value, SourceSection):
        return value
    if not isinstance(value, dict):
        raise ValueError("a source is keys and values, such as `file: traffic.mp4`")
    given = [kind for kind in SOURCE_KINDS if value.get(kind) is not None]
    if len(given) != 1:
        _refuse_unknown_keys(value)
        raise ValueError(f"a source is exactly one of {', '.join(SOURCE_KINDS)}; here: {', '.join(given) or 'none'}")
    section = SOURCE_KINDS[given[0]]
    of_others = {key: item for key, item in value.items() if key in _KEYS and key not in section.model_fields}
    if useless := [key for key, item in of_others.items() if item is not None]:
        kinds = [kind for kind, other in SOURCE_KINDS.items() if useless[0] in other.model_fields]
        raise ValueError(f"`{useless[0]}` is for {', '.join(kinds)} and does nothing for {given[0]}: take it out")
    return section.model_validate({key: item for key, item in value.items() if key not in of_others}, context=info.context)


def _refuse_unknown_keys(value: dict[str, Any]) -> None:
    """A misspelt `fiel: a.mp4` is reported as an unknown key, with the nearest known one."""
    unknown = [key for key in value if key not in _KEYS]
    if unknown:
        raise ValidationError.from_exception_data(
            "source", [{"type": "extra_forbidden", "loc": (key,), "input": value[key]} for key in unknown]
        )


SourceSettings = Annotated[_Member, BeforeValidator(_select)]
"""Where a camera's frames come from: exactly one of the kinds above."""
