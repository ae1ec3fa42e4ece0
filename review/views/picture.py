"""Evidence pictures and what is drawn over them.

Shapes are in pixels of the original frame; the page scales the picture and its overlay together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from etle.types import Box, Digest, EvidencePicture, EvidenceRole, Lamp, Point, Violation
from review.i18n import Translator
from review.views.signal import lamp_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShape:
    name: str
    points: str
    """`x,y x,y …`, as the `points` attribute of SVG takes them."""
    label_at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureView:
    role: EvidenceRole
    label: str
    digest: Digest
    width: int
    height: int
    time: str
    relative: str
    """Seconds from the moment of the violation, with sign and unit."""
    lamp: Lamp | None
    signals: tuple[tuple[str, Box], ...]
    """The signal heads as located in this picture; as drawn in the site file where none was located."""
    vehicle_box: Box | None
    plate_box: Box | None
    trail: str
    """Foot points of the vehicle up to this picture, as SVG points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayView:
    """The drawing of the site file, the same over every picture and the clip."""

    lines: tuple[NamedShape, ...]
    areas: tuple[NamedShape, ...]
    signals: tuple[tuple[str, Box], ...]
    arrows: tuple[NamedShape, ...]
    """The legal directions of the lanes."""
    moment: Point | None
    """Where the vehicle's foot was at the moment of the violation."""


def overlay_view(violation: Violation) -> OverlayView:
    drawing = violation.drawing
    return OverlayView(
        lines=tuple(_shape(name, points) for name, points in drawing.lines),
        areas=tuple(_shape(name, points) for name, points in drawing.areas),
        signals=drawing.signals,
        arrows=tuple(_shape(name, points) for name, points in drawing.arrows),
        moment=moment_point(violation),
    )


def moment_point(violation: Violation) -> Point | None:
    """The foot of the vehicle's box at the moment of the violation, interpolated between the sightings before and after; None if the moment
    is outside of the path."""
    path, moment = violation.path, violation.occurred_at
    after = next((index for index, sighting in enumerate(path) if sighting.captured_at >= moment), None)
    if after is None or (after == 0 and path[0].captured_at > moment):
        return None
    later, earlier = path[after], path[max(after - 1, 0)]
    span_s = (later.captured_at - earlier.captured_at).total_seconds()
    share = (moment - earlier.captured_at).total_seconds() / span_s if span_s > 0 else 1.0
    (x1, y1), (x2, y2) = earlier.box.foot, later.box.foot
    return Point(x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)


def picture_views(violation: Violation, t: Translator) -> tuple[PictureView, ...]:
    """Without the picture that was kept for its plate only."""
    return tuple(_picture_view(picture, violation, t) for picture in violation.pictures if picture.role is not EvidenceRole.PLATE)


def _picture_view(picture: EvidencePicture, violation: Violation, t: Translator) -> PictureView:
    offset_s = (picture.captured_at - violation.occurred_at).total_seconds()
    trail = [sighting.box.foot for sighting in violation.path if sighting.captured_at <= picture.captured_at]
    return PictureView(
        role=picture.role,
        label=t(f"picture.{picture.role}"),
        digest=picture.sha256,
        width=picture.width,
        height=picture.height,
        time=t.time(picture.captured_at, violation.timezone, digits=2),
        relative=t("picture.relative", seconds=t.signed_seconds(offset_s, 2)),
        lamp=lamp_at(violation, picture.captured_at),
        signals=_signals(picture, violation),
        vehicle_box=picture.vehicle_box,
        plate_box=picture.plate_box,
        trail=_svg_points(trail),
    )


def _signals(picture: EvidencePicture, violation: Violation) -> tuple[tuple[str, Box], ...]:
    located = {name for name, _ in picture.signal_heads}
    return (*picture.signal_heads, *((name, box) for name, box in violation.drawing.signals if name not in located))


def _shape(name: str, points: Sequence[Point]) -> NamedShape:
    return NamedShape(name=name.replace("_", " "), points=_svg_points(points), label_at=min(points, key=lambda point: point.x))


def _svg_points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
