"""The site file: the cameras, what is drawn on their frames, and the rules.

One YAML file describes one site. An unknown key is an error that names the file, the place and the nearest known key: a misspelt `grace_s`
that is silently ignored would send letters to people who did nothing wrong. A site file contains no secrets: `${NAME}` in a text is
replaced by the environment variable.

The settings of a rule are defined by the rule (`pipeline/rules/`) and checked when the stage is built.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from etle.config.deployment import ArchiveSettings, BrokerSettings, CustodySettings, IngestSettings, StorageSettings, refuse_secrets
from etle.config.signal_feed import SignalFeed
from etle.config.sources import SourceSettings
from etle.config.strict_yaml import Name, Section, interpolate_env, read_yaml, resolve_paths, validate
from etle.errors import ConfigError
from etle.geometry import signed_distance
from etle.types import Box, CameraId, Digest, Lamp, Point, View, digest_of

Pixel = tuple[float, float]
Rectangle = tuple[float, float, float, float]
_LATER_KEYS = ("zones", "markings", "lens", "reference", "drawn")
_LENS_STEPS, _LENS_SLOPE = 20, 0.1
MAX_LAMPS = 6
"""Of a signal head: red, yellow, green, and an arrow of each."""


class GroundPoint(Section):
    """A point on the road, in pixels and in metres. Four or more of them determine the camera's homography."""

    px: Pixel = Field(description="Pixels of the full frame.")
    m: tuple[float, float] = Field(description="Metres on the road; any origin, right-handed axes.")


class Lens(Section):
    """Radial distortion. A point of the picture at distance r from its middle, in half widths, lies at (1 + k1 r² + k2 r⁴) times that
    distance in a picture of a lens without distortion."""

    k1: float = Field(0.0, ge=-1, le=1)
    k2: float = Field(0.0, ge=-1, le=1)

    def unfolds(self, frame_size: tuple[int, int]) -> bool:
        """Whether each point of the frame has a place of its own without distortion, up to the corners."""
        width, height = frame_size
        corner = 1 + (height / width) ** 2
        squares = (corner * part / _LENS_STEPS for part in range(_LENS_STEPS + 1))
        return all(1 + square * (3 * self.k1 + 5 * square * self.k2) > _LENS_SLOPE for square in squares)


class Drawn(Section):
    """Who drew the positions last, and when. `etle calibrate` writes it."""

    by: str = Field(max_length=63)
    at: datetime

    @field_validator("at")
    @classmethod
    def with_offset(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError('a time needs its UTC offset, such as "2026-11-23T10:00:00+07:00"')
        return value


class SignalHead(Section):
    """A traffic signal: its heads in the picture, and the feed of its controller."""

    id: Name
    head: Rectangle | None = Field(None, description="Bounding box of the housing: x1, y1, x2, y2 in pixels of the full frame.")
    heads: tuple[Rectangle, ...] = Field(
        (), description="Bounding boxes of further heads that show the same; heads that contradict each other give `unknown`."
    )
    feed: SignalFeed | None = Field(None, description="The messages of its controller, instead of the picture or besides it.")
    order: tuple[Lamp, ...] = Field(
        (Lamp.RED, Lamp.YELLOW, Lamp.GREEN),
        description="The lamps from top to bottom (or left to right); a green arrow besides the green disc is a second `green`.",
    )

    @model_validator(mode="after")
    def has_size(self) -> Self:
        if not self.boxes and self.feed is None:
            raise ValueError(f"signal {self.id!r} has no `head` and no `feed`")
        if any(box.width <= 0 or box.height <= 0 for box in self.boxes):
            raise ValueError(f"the head of signal {self.id!r} has no size: it is x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        if Lamp.UNKNOWN in self.order or not 1 <= len(self.order) <= MAX_LAMPS:
            raise ValueError(f"the order of signal {self.id!r} has to name its lamps, at most {MAX_LAMPS}: red, yellow, green")
        if len(set(self.order)) < min(2, len(self.order)):
            raise ValueError(f"the order of signal {self.id!r} names one colour only: a lit lamp is told by the others, which are dark")
        return self

    @model_serializer(mode="wrap")
    def without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not set: the digest of a configuration did not change when signals got further keys."""
        return {key: value for key, value in serialize(self).items() if key in ("id", "order") or value}

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All its heads; each shows the same."""
        return tuple(Box(*head) for head in (*((self.head,) if self.head else ()), *self.heads))


LineName = Annotated[Name, Field(json_schema_extra={"names": "lines"})]
"""A setting of a rule that names a line of the camera; the page on which sites are drawn offers those that there are."""
LaneName = Annotated[Name, Field(json_schema_extra={"names": "lanes"})]
ZoneName = Annotated[Name, Field(json_schema_extra={"names": "zones"})]
SignalName = Annotated[Name, Field(json_schema_extra={"names": "signals"})]
MarkingName = Annotated[Name, Field(json_schema_extra={"names": "markings"})]


class Line(Section):
    """A line on the road, and a point beyond it."""

    id: Name
    points: tuple[Pixel, Pixel]
    beyond: Pixel = Field(description="Any point on the side to which vehicles cross.")

    @model_validator(mode="after")
    def has_sides(self) -> Self:
        start, end = (Point(*point) for point in self.points)
        if start == end:
            raise ValueError(f"line {self.id!r} has no length: its two points are the same")
        if abs(signed_distance(Point(*self.beyond), start, end, start)) < 1:
            raise ValueError(f"`beyond` of line {self.id!r} lies on the line, so it does not say to which side vehicles cross")
        return self


@lru_cache(maxsize=1024)
def _points(polygon: tuple[Pixel, ...]) -> tuple[Point, ...]:
    """Rules ask for the corners of an area for each vehicle in each frame."""
    return tuple(Point(*corner) for corner in polygon)


class Lane(Section):
    """A lane with its legal direction of travel."""

    id: Name
    polygon: tuple[Pixel, ...] = Field(min_length=3)
    along: tuple[Pixel, Pixel] = Field(description="The legal direction of travel: an arrow from the first point to the second.")

    @model_validator(mode="after")
    def has_direction(self) -> Self:
        if self.along[0] == self.along[1]:
            raise ValueError(f"`along` of lane {self.id!r} has no direction: its two points are the same")
        return self

    @property
    def corners(self) -> tuple[Point, ...]:
        return _points(self.polygon)


class Zone(Section):
    """An area of the road for which a rule holds: where stopping is forbidden, a yellow box, the exit of a junction."""

    id: Name
    polygon: tuple[Pixel, ...] = Field(min_length=3)

    @property
    def corners(self) -> tuple[Point, ...]:
        return _points(self.polygon)


class Marking(Section):
    """A solid line that is painted along the road, as far as it is solid; a stop line across the road is a `line`."""

    id: Name
    points: tuple[Pixel, ...] = Field(min_length=2, description="Its course, with a point at each bend.")
    crossable_from: Pixel | None = Field(
        None, description="Any point on the side on which a broken line runs beside it: vehicles may cross from there."
    )

    @model_validator(mode="after")
    def has_sides(self) -> Self:
        if any(one == two for one, two in pairwise(self.points)):
            raise ValueError(f"marking {self.id!r}: two points that follow each other are the same")
        if self.crossable_from is not None:
            start, end = Point(*self.points[0]), Point(*self.points[-1])
            if start == end or abs(signed_distance(Point(*self.crossable_from), start, end, start)) < 1:
                raise ValueError(
                    f"`crossable_from` of marking {self.id!r} lies on it, so it does not say from which side vehicles may cross"
                )
        return self


NamedT = TypeVar("NamedT", SignalHead, Line, Lane, Zone, Marking)


class RuleEntry(BaseModel):
    """A rule for this camera. `rule` is its name; the other keys are the settings of that rule."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rule: str

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.model_extra or {}


class CameraSettings(Section):
    """One camera: the source of its frames, what is drawn on them, and its rules."""

    id: Name
    name: str = ""
    view: View = Field(description="The side of the vehicles that the camera sees: rear or front.")
    source: SourceSettings
    frame_size: tuple[int, int] = Field(description="Width and height of the frames, in pixels, to which all positions here refer.")
    ground_points: tuple[GroundPoint, ...] = Field((), description="At least four, well spread; without them distances are in pixels.")
    lens: Lens | None = Field(
        None, description="Distortion of the lens; without it, straight lines of the road are straight in the picture."
    )
    signals: tuple[SignalHead, ...] = ()
    lines: tuple[Line, ...] = ()
    lanes: tuple[Lane, ...] = ()
    zones: tuple[Zone, ...] = ()
    markings: tuple[Marking, ...] = ()
    rules: tuple[RuleEntry, ...] = ()
    reference: Path | None = Field(
        None, description="A picture of the view on which the positions were drawn: the rules pause while the camera looks elsewhere."
    )
    drawn: Drawn | None = Field(None, description="Who drew the positions last, and when.")

    @field_validator("ground_points")
    @classmethod
    def at_least_four(cls, value: tuple[GroundPoint, ...]) -> tuple[GroundPoint, ...]:
        if 0 < len(value) < 4:
            raise ValueError(f"a homography takes at least 4 points, no three on one line; here: {len(value)}")
        return value

    @model_validator(mode="after")
    def unique_ids(self) -> Self:
        for kind in ("signals", "lines", "lanes", "zones", "markings"):
            names = [part.id for part in getattr(self, kind)]
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{kind}: the id {repeated[0]!r} is given twice")
        return self

    @model_validator(mode="after")
    def signals_in_frame(self) -> Self:
        width, height = self.frame_size
        if width < 1 or height < 1:
            raise ValueError(f"frame_size is width and height in pixels; here: {width}, {height}")
        for box, name in ((box, signal.id) for signal in self.signals for box in signal.boxes):
            if box.x1 < 0 or box.y1 < 0 or box.x2 > width or box.y2 > height:
                raise ValueError(f"the head of signal {name!r} is partly outside of the frame of {width}x{height}")
        return self

    @model_validator(mode="after")
    def lens_unfolds(self) -> Self:
        if self.lens is not None and not self.lens.unfolds(self.frame_size):
            raise ValueError("lens: with these terms two points of the frame would be the same place; measure the ground points again")
        return self

    @model_validator(mode="after")
    def feeds_fit_source(self) -> Self:
        for signal in self.signals:
            if signal.feed is None:
                continue
            if self.source.pushed_by is not None:
                raise ValueError(f"signal {signal.id!r}: a `feed` needs a source that etle reads itself; here a vendor pushes the frames")
            if signal.feed.live != self.source.live:
                fits = "`http` or `topic`: the camera is live" if self.source.live else "`file`: the source is a recording"
                raise ValueError(f"the feed of signal {signal.id!r} has to be {fits}")
        return self

    @model_serializer(mode="wrap")
    def without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the later keys that are not set: the digest of a configuration did not change when cameras got them. Of the reference
        picture only the name, which has its digest: the same site in another folder is the same configuration."""
        named = {"reference": self.reference.name} if self.reference else {}
        return {key: value for key, value in {**serialize(self), **named}.items() if key not in _LATER_KEYS or value}

    @property
    def camera_id(self) -> CameraId:
        return CameraId(self.id)

    def line(self, name: str) -> Line:
        return self._named(self.lines, "line", name)

    def lane(self, name: str) -> Lane:
        return self._named(self.lanes, "lane", name)

    def zone(self, name: str) -> Zone:
        return self._named(self.zones, "zone", name)

    def marking(self, name: str) -> Marking:
        return self._named(self.markings, "marking", name)

    def signal(self, name: str) -> SignalHead:
        return self._named(self.signals, "signal", name)

    def _named(self, parts: "tuple[NamedT, ...]", kind: str, name: str) -> "NamedT":
        found = next((part for part in parts if part.id == name), None)
        if found is None:
            raise ConfigError(f"camera {self.id!r} has no {kind} {name!r}; it has: {', '.join(part.id for part in parts) or 'none'}")
        return found


class ShadowSettings(Section):
    """Models that run beside the current ones on a share of the live traffic, and are only compared with them.

    Weights are paths, or `catalogue:NAME`.
    """

    share: float = Field(
        0.1, gt=0, le=1, description="Share of the calls of each model that are compared. Each costs the second model's time."
    )
    report: Path = Field(description="File to which comparisons are appended. It contains plate texts.")
    engine: str = Field("onnx", description="Engine of `weights`, one of those of `detect.engine`.")
    weights: Path | None = Field(None, description="A vehicle detector.")
    finder_weights: Path | None = Field(None, description="A plate detector.")
    reader_weights: Path | None = Field(None, description="Weights of the reader `tnkb`.")
    lamp_weights: Path | None = Field(None, description="A lamp network.")

    @model_validator(mode="after")
    def names_a_model(self) -> Self:
        if not any((self.weights, self.finder_weights, self.reader_weights, self.lamp_weights)):
            raise ValueError("give at least one of weights, finder_weights, reader_weights, lamp_weights")
        return self


class DetectionSettings(Section):
    """How vehicles and plates are detected and read. The defaults need no torch and run on one core."""

    renamed_keys: ClassVar[Mapping[str, str]] = {"arbiter": "tiebreaker"}

    engine: str = Field(
        "onnx",
        description="The vehicle detector: onnx (8-bit), onnx-float, or ultralytics (torch extra). Checked when the models are opened.",
    )
    weights: Path | None = Field(
        None, description="Weights of the ultralytics engine (.pt or an export); those of the onnx engine are included."
    )
    finder_weights: Path | None = Field(
        None, description="Weights of your own plate detector, as `etle models train plate-finder` writes them."
    )
    readers: tuple[str, ...] = Field(
        ("tnkb", "ppocr"), min_length=1, description="Plate readers; each reads every plate, and all reads are combined by voting."
    )
    reader_weights: Path | None = Field(
        None, description="Your own weights of the reader `tnkb`, as `etle models train reader` writes them."
    )
    tiebreaker: str | None = Field(
        None, description="A further reader, which reads a plate once if the others disagree.", serialization_alias="arbiter"
    )
    """Digests are made with the old name, so that the digest of a configuration did not change with the renaming."""
    threads: int = Field(1, ge=1, description="Threads of each model. With few cores, one thread per camera is best.")
    score: float = Field(0.25, gt=0, lt=1, description="Detections below this score are not vehicles.")
    plate_reads: int = Field(
        8, ge=1, le=40, description="Maximum number of frames of a violating vehicle in which its plate is searched and read."
    )
    region: Literal["auto", "full"] = Field(
        "auto", description="auto: detect vehicles in the part of the frame that moves, and twice a second in all of it. full: always all."
    )
    gate: bool = Field(True, description="Run no inference on frames in which nothing moves.")
    shadow: ShadowSettings | None = Field(None, description="Other models to compare with these on live traffic.")

    @model_validator(mode="after")
    def unique_readers(self) -> Self:
        named = [*self.readers, self.tiebreaker]
        repeated = sorted({name for name in named if name and named.count(name) > 1})
        if repeated:
            raise ValueError(f"readers and tiebreaker: {repeated[0]!r} is given twice; two votes of one reader are not independent")
        if self.reader_weights is not None and "tnkb" not in named:
            raise ValueError("`reader_weights` is for the reader tnkb, which is not in `readers`: add it, or remove `reader_weights`")
        return self


class EvidenceSettings(Section):
    """The clip of a violation, in seconds before and after its time."""

    before_s: float = Field(3.0, gt=0, le=30)
    after_s: float = Field(3.0, gt=0, le=30)
    clip_width: int = Field(960, ge=320, le=1920, description="Width of the clip in pixels; the evidence pictures keep their full size.")
    keep_s: float = Field(15.0, ge=5, le=120, description="Seconds for which frames stay in memory, for a plate that was legible earlier.")


class Site(Section):
    """A site file."""

    site: Name
    name: str = ""
    timezone: str = "Asia/Jakarta"
    polda: Name | None = Field(
        None, description="The regional police whose deadlines hold, as in the law files; without it, those of all others."
    )
    cameras: tuple[CameraSettings, ...] = Field(min_length=1)
    detect: DetectionSettings = DetectionSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    broker: BrokerSettings = BrokerSettings()
    store: StorageSettings = StorageSettings()
    ingest: IngestSettings = IngestSettings()
    archive: ArchiveSettings | None = None
    custody: CustodySettings = CustodySettings()

    @field_validator("timezone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone: {value!r}; Indonesia has Asia/Jakarta, Asia/Makassar, Asia/Jayapura") from error
        return value

    @model_validator(mode="after")
    def unique_cameras(self) -> Self:
        names = [camera.id for camera in self.cameras]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"cameras: the id {repeated[0]!r} is given twice")
        return self

    @model_validator(mode="after")
    def archived_cameras_known(self) -> Self:
        known = {camera.id for camera in self.cameras}
        for limits in self.archive.cameras if self.archive else ():
            if limits.id not in known:
                raise ValueError(
                    f"`archive.cameras` names {limits.id!r}, and the site has no such camera; it has: {', '.join(sorted(known))}"
                )
        return self

    @model_validator(mode="after")
    def vendors_known(self) -> Self:
        known = {vendor.id for vendor in self.ingest.vendors}
        for camera in self.cameras:
            vendor = camera.source.pushed_by
            if vendor is not None and vendor not in known:
                raise ValueError(
                    f"camera {camera.id!r}: there is no vendor {vendor!r} in `ingest.vendors`; "
                    f"there is: {', '.join(sorted(known)) or 'none'}"
                )
        return self

    @property
    def digest(self) -> Digest:
        """Of everything that can change what is found in given frames. Sources, broker, stores and devices are not part of it, nor is the
        path of `weights`: a violation has the digests of the models themselves. The default of `region` is left out, as in older files.
        """
        excluded: dict[str, Any] = {
            "polda": True,
            "cameras": {"__all__": {"source"}},
            "detect": {"weights", "shadow", *(["region"] if self.detect.region == "auto" else [])},
            "broker": True,
            "store": True,
            "ingest": True,
            "archive": True,
            "custody": True,
        }
        return digest_of(self.model_dump_json(exclude=excluded, by_alias=True).encode())

    def stream_name(self, camera: CameraSettings) -> str:
        """Name under which checkpoints and positions of the camera's footage are kept; other footage has another name."""
        return f"{self.site}/{camera.id}{camera.source.stream_suffix()}"

    def earlier_stream_names(self, camera: CameraSettings) -> Iterator[str]:
        """The names that the same footage had when it was shorter, the longest first."""
        return (f"{self.site}/{camera.id}{suffix}" for suffix in camera.source.earlier_suffixes())

    def with_cameras(self, ids: Sequence[str]) -> Self:
        """The site with these cameras only; all of them if `ids` is empty. Raises ConfigError for an id that the site does not have."""
        known = {camera.id for camera in self.cameras}
        if unknown := [name for name in ids if name not in known]:
            raise ConfigError(f"the site has no camera {unknown[0]!r}; it has: {', '.join(sorted(known))}")
        return self.model_copy(update={"cameras": tuple(camera for camera in self.cameras if not ids or camera.id in ids)})


def load_site(path: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """Read and check a site file. Raises ConfigError, which names all wrong keys."""
    try:
        raw = read_yaml(path)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ConfigError(f"{path}: no such site file. `etle init VIDEO` writes one") from error
        raise
    return site_of(raw, path, environment)


def site_of(raw: Any, path: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """The site that the content of a file at `path` describes. Raises ConfigError, which names all wrong keys."""
    refuse_secrets(raw, str(path))
    document = interpolate_env(raw, environment, str(path))
    return _with_resolved_paths(validate(document, Site, str(path)), path.parent)


def schema() -> dict[str, Any]:
    """JSON Schema of a site file, for editors; without the settings of the rules, which `etle schema` adds."""
    return Site.model_json_schema()


def _with_resolved_paths(site: Site, folder: Path) -> Site:
    """Paths are relative to the folder of the site file; so are the places of evidence and archive, unless they are those of a bucket."""
    resolved = resolve_paths(site, folder)
    update: dict[str, Section] = {}
    places = {name: getattr(site.store, name) for name in ("evidence", "heads")}
    local = {name: str(folder / place) for name, place in places.items() if place is not None and "://" not in place}
    if local:
        update["store"] = resolved.store.model_copy(update=local)
    if resolved.archive is not None and (location := resolved.archive.location) is not None and "://" not in location:
        update["archive"] = resolved.archive.model_copy(update={"location": str(folder / location)})
    return resolved.model_copy(update=update)
