"""The clip and what the page's script draws over it while it plays."""

import json
import statistics
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise

from etle.types import Clip, Digest, Lamp, Violation
from review.i18n import Translator
from review.views.picture import moment_point


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOverlay:
    """Data for static/clip.js, which reads it as JSON with these field names. Times are seconds from the capture of the first picture."""

    duration_s: float
    occurred_s: float
    step_s: float
    offsets_s: tuple[float, ...]
    """Capture time of each picture; empty if the pictures are evenly spaced."""
    moment: tuple[float, float] | None
    """Where the vehicle's foot was at the moment of the violation."""
    path: tuple[tuple[float, ...], ...]
    """Time and box of each sighting: second, x1, y1, x2, y2, in pixels of the original frames."""
    lamps: tuple[tuple[float, str], ...]
    lamp_texts: dict[str, str]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipView:
    digest: Digest
    width: int
    height: int
    """Size of the original frames, in whose pixels the overlay is drawn; the clip itself is smaller."""
    overlay_json: str


def clip_view(violation: Violation, t: Translator) -> ClipView | None:
    if violation.clip is None:
        return None
    frame = violation.pictures[0] if violation.pictures else violation.clip
    overlay_json = json.dumps(asdict(clip_overlay(violation, violation.clip, t)))
    return ClipView(digest=violation.clip.sha256, width=frame.width, height=frame.height, overlay_json=overlay_json)


def clip_overlay(violation: Violation, clip: Clip, t: Translator) -> ClipOverlay:
    def second(moment: datetime) -> float:
        return round((moment - clip.starts_at).total_seconds(), 6)

    return ClipOverlay(
        duration_s=second(clip.ends_at),
        occurred_s=second(violation.occurred_at),
        step_s=_step_s(violation),
        offsets_s=clip.offsets_s,
        moment=moment_point(violation),
        path=tuple((second(s.captured_at), *(round(edge, 1) for edge in s.box)) for s in violation.path),
        lamps=tuple((second(reading.captured_at), str(reading.lamp)) for reading in violation.signal),
        lamp_texts={str(lamp): t(f"lamp.{lamp}") for lamp in Lamp},
        unit=t("home.seconds", seconds="").strip(),
    )


def _step_s(violation: Violation) -> float:
    """Median time between two sightings of the vehicle, in seconds; 0.1 if there are fewer than two."""
    gaps = [(later.captured_at - earlier.captured_at).total_seconds() for earlier, later in pairwise(violation.path)]
    return round(statistics.median(gaps), 3) if gaps else 0.1
