"""The site file: which cameras there are, what is drawn on their pictures, and which rules watch.

One YAML file describes one site. A key that is not known is an error that names the file, the place and the nearest key that is,
because a misspelt `grace_s` that is silently ignored sends letters to people who did nothing. Secrets never stand in a site file:
a text may hold `${NAME}`, which is taken from the environment.

The settings of a rule belong to the rule (`pipeline/rules/`), which checks them when the stage is built.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from etle.config.deployment import BrokerSettings, IngestSettings, StorageSettings, refuse_secrets
from etle.config.sources import SourceSettings
from etle.config.strict_yaml import Name, Section, check, interpolate_env, read_yaml, resolve_paths
from etle.errors import ConfigError
from etle.geometry import signed_distance
from etle.types import Box, CameraId, Digest, Lamp, Point, View, digest_of

Pixel = tuple[float, float]


class GroundPoint(Section):
    """One point of the road, in the picture and in metres. Four or more of them give the camera's homography."""

    px: Pixel = Field(description="Pixels of the full frame.")
    m: tuple[float, float] = Field(description="Metres on the road, any origin, right-handed axes.")


class SignalHead(Section):
    """A traffic signal that stands in the picture."""

    id: Name
    head: tuple[float, float, float, float] = Field(description="Box of the housing: x1, y1, x2, y2 in pixels of the full frame.")
    order: tuple[Lamp, ...] = Field((Lamp.RED, Lamp.YELLOW, Lamp.GREEN), description="The lamps from top to bottom (or left to right).")

    @model_validator(mode="after")
    def has_size(self) -> Self:
        if self.box.width <= 0 or self.box.height <= 0:
            raise ValueError(f"the head of signal {self.id!r} has no size: it is x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        if Lamp.UNKNOWN in self.order or len(set(self.order)) != len(self.order) or not self.order:
            raise ValueError(f"the order of signal {self.id!r} names each of its lamps once: red, yellow, green")
        return self

    @property
    def box(self) -> Box:
        return Box(*self.head)


class Line(Section):
    """A line on the road, and a point on its far side."""

    id: Name
    points: tuple[Pixel, Pixel]
    beyond: Pixel = Field(description="Any point on the side to which vehicles cross.")

    @model_validator(mode="after")
    def has_sides(self) -> Self:
        start, end = (Point(*point) for point in self.points)
        if start == end:
            raise ValueError(f"line {self.id!r} has no length: its two points are the same")
        if abs(signed_distance(Point(*self.beyond), start, end, start)) < 1:
            raise ValueError(f"`beyond` of line {self.id!r} lies on the line: it does not tell to which side vehicles cross")
        return self


class Lane(Section):
    """A part of the road with its direction of travel."""

    id: Name
    polygon: tuple[Pixel, ...] = Field(min_length=3)
    along: tuple[Pixel, Pixel] = Field(description="An arrow from its first point to its second: the way that is legal.")

    @model_validator(mode="after")
    def has_direction(self) -> Self:
        if self.along[0] == self.along[1]:
            raise ValueError(f"`along` of lane {self.id!r} has no direction: its two points are the same")
        return self

    @property
    def corners(self) -> tuple[Point, ...]:
        return tuple(Point(*corner) for corner in self.polygon)


NamedT = TypeVar("NamedT", SignalHead, Line, Lane)


class RuleEntry(BaseModel):
    """A rule that watches this camera. `rule` names it; the other keys are the rule's own settings."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rule: str

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.model_extra or {}


class CameraSettings(Section):
    """One camera: where its pictures come from, what is drawn on them, and which rules watch."""

    id: Name
    name: str = ""
    view: View = Field(description="The side of the vehicles that the camera sees: rear or front.")
    source: SourceSettings
    frame_size: tuple[int, int] = Field(description="Width and height of the frame that everything here is drawn on.")
    ground_points: tuple[GroundPoint, ...] = Field((), description="At least four, well spread; without them distances are in pixels.")
    signals: tuple[SignalHead, ...] = ()
    lines: tuple[Line, ...] = ()
    lanes: tuple[Lane, ...] = ()
    rules: tuple[RuleEntry, ...] = ()

    @field_validator("ground_points")
    @classmethod
    def enough_points(cls, value: tuple[GroundPoint, ...]) -> tuple[GroundPoint, ...]:
        if 0 < len(value) < 4:
            raise ValueError(f"a homography takes at least 4 points, no three on one line; here are {len(value)}")
        return value

    @model_validator(mode="after")
    def names_once(self) -> Self:
        for kind in ("signals", "lines", "lanes"):
            names = [part.id for part in getattr(self, kind)]
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{kind}: the id {doubled[0]!r} is there twice")
        return self

    @model_validator(mode="after")
    def signals_inside(self) -> Self:
        width, height = self.frame_size
        if width < 1 or height < 1:
            raise ValueError(f"frame_size is width and height in pixels; here: {width}, {height}")
        for box, name in ((signal.box, signal.id) for signal in self.signals):
            if box.x1 < 0 or box.y1 < 0 or box.x2 > width or box.y2 > height:
                raise ValueError(f"the head of signal {name!r} reaches out of the frame of {width}x{height}")
        return self

    @property
    def camera_id(self) -> CameraId:
        return CameraId(self.id)

    def line(self, name: str) -> Line:
        return self._named(self.lines, "line", name)

    def lane(self, name: str) -> Lane:
        return self._named(self.lanes, "lane", name)

    def signal(self, name: str) -> SignalHead:
        return self._named(self.signals, "signal", name)

    def _named(self, parts: "tuple[NamedT, ...]", kind: str, name: str) -> "NamedT":
        found = next((part for part in parts if part.id == name), None)
        if found is None:
            raise ConfigError(f"camera {self.id!r} has no {kind} {name!r}; it has: {', '.join(part.id for part in parts) or 'none'}")
        return found


class DetectionSettings(Section):
    """How vehicles and plates are found and read. The defaults need no torch and one core."""

    engine: str = Field("onnx", description="The vehicle detector: onnx, or ultralytics (torch extra). Checked when the models are opened.")
    weights: Path | None = Field(None, description="Weights of the ultralytics engine (.pt or an export); the onnx engine has its own.")
    finder_weights: Path | None = Field(None, description="A region's own plate finder, as `etle models train plate-finder` writes it.")
    readers: tuple[str, ...] = Field(("tnkb", "ppocr"), min_length=1, description="Each reads every plate, and the vote hears them all.")
    reader_weights: Path | None = Field(None, description="A region's own reader `tnkb`, as `etle models train reader` writes it.")
    arbiter: str | None = Field(None, description="A further reader, asked once for a plate on which the others are at odds.")
    threads: int = Field(1, ge=1, description="Threads of each model. One a stream is best on few cores.")
    score: float = Field(0.25, gt=0, lt=1, description="Detections below this score are not vehicles.")
    plate_reads: int = Field(8, ge=1, le=40, description="How many frames of a violating vehicle are searched for its plate and read.")
    gate: bool = Field(True, description="Spend no inference on frames in which nothing moves.")

    @model_validator(mode="after")
    def readers_once(self) -> Self:
        named = [*self.readers, self.arbiter]
        doubled = sorted({name for name in named if name and named.count(name) > 1})
        if doubled:
            raise ValueError(f"readers and arbiter: {doubled[0]!r} is there twice; a reader is no witness for itself")
        if self.reader_weights is not None and "tnkb" not in named:
            raise ValueError("`reader_weights` are for the reader tnkb, which is not among `readers`: add it, or take them out")
        return self


class EvidenceSettings(Section):
    """What is kept of a violation, in seconds from its moment."""

    before_s: float = Field(3.0, gt=0, le=30)
    after_s: float = Field(3.0, gt=0, le=30)
    clip_width: int = Field(960, ge=320, le=1920, description="Width of the clip in pixels; the pictures keep their full size.")
    keep_s: float = Field(15.0, ge=5, le=120, description="How long frames stay in memory, for a plate that was legible earlier.")


class Site(Section):
    """A site file."""

    site: Name
    name: str = ""
    timezone: str = "Asia/Jakarta"
    cameras: tuple[CameraSettings, ...] = Field(min_length=1)
    detect: DetectionSettings = DetectionSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    broker: BrokerSettings = BrokerSettings()
    store: StorageSettings = StorageSettings()
    ingest: IngestSettings = IngestSettings()

    @field_validator("timezone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone: {value!r}; Indonesia has Asia/Jakarta, Asia/Makassar, Asia/Jayapura") from error
        return value

    @model_validator(mode="after")
    def cameras_once(self) -> Self:
        names = [camera.id for camera in self.cameras]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"cameras: the id {doubled[0]!r} is there twice")
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
        """Of everything that can change what is found in given frames. Where they come from and how they travel is no part of it, and
        neither is the path of the weights: a violation names the models by their own digests."""
        without: dict[str, Any] = {"cameras": {"__all__": {"source"}}, "detect": {"weights"}, "broker": True, "store": True, "ingest": True}
        return digest_of(self.model_dump_json(exclude=without).encode())

    def stream_name(self, camera: CameraSettings) -> str:
        """Name under which checkpoints and positions of the camera's footage are kept; other footage has another name."""
        return f"{self.site}/{camera.id}{camera.source.stream_suffix()}"

    def with_cameras(self, ids: Sequence[str]) -> Self:
        """The site with these cameras only; all of them if `ids` is empty. Raises ConfigError for an id that the site does not have."""
        known = {camera.id for camera in self.cameras}
        if unknown := [name for name in ids if name not in known]:
            raise ConfigError(f"the site has no camera {unknown[0]!r}; it has: {', '.join(sorted(known))}")
        return self.model_copy(update={"cameras": tuple(camera for camera in self.cameras if not ids or camera.id in ids)})


def load_site(path: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """Read and check a site file. Raises ConfigError that names every wrong key at once."""
    if not path.exists():
        raise ConfigError(f"{path}: no such site file. `etle init VIDEO` writes one")
    raw = read_yaml(path)
    refuse_secrets(raw, str(path))
    document = interpolate_env(raw, environment, str(path))
    return _rebased(check(document, Site, str(path)), path.parent)


def schema() -> dict[str, Any]:
    """JSON Schema of a site file, for editors; without the rules' own settings, which `etle schema` adds."""
    return Site.model_json_schema()


def _rebased(site: Site, folder: Path) -> Site:
    """Paths are those of the site file's folder; so is a folder of evidence, which might also be the address of a bucket."""
    moved = resolve_paths(site, folder)
    place = site.store.evidence
    if place is None or "://" in place:
        return moved
    return moved.model_copy(update={"store": moved.store.model_copy(update={"evidence": str(folder / place)})})
