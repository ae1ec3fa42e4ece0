"""Says in words what a camera could not see, and what to do about it. The only place with these texts."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from etle.types import SignalId
from pipeline.detect.view_check import ViewFault
from pipeline.detect.visibility import SMALL_PLATE_PX, SignalCounts, Visibility
from pipeline.scene.judgement import Reason

MIN_SHARE: Final = 0.1
"""Smaller shares are not told: a lamp is hidden by a truck now and then."""
MIN_VIEWS: Final = 2
"""A fault of the picture in fewer checks is not told: a truck may fill the picture."""
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.LOST_BEFORE_LINE: "lost just before the line",
    Reason.FIRST_SEEN_BEYOND_LINE: "not certainly seen before the line",
    Reason.LOST_BEFORE_ENTRY: "lost between the line and the junction",
    Reason.POSITION_UNCERTAIN: "place at the line not certain",
    Reason.NOT_ONE_VEHICLE: "tracked with a gap or a jump",
    Reason.BOX_MOVED_ONLY: "partly hidden",
    Reason.SIGNAL_UNKNOWN: "signal unknown",
    Reason.RED_NOT_PROVEN: "red not proven",
    Reason.PICTURES_GONE: "pictures gone",
    Reason.VIEW_MOVED: "the camera had moved",
}
_VIEW: Final[Mapping[ViewFault, str]] = {
    ViewFault.DARK: "the picture was too dark to see vehicles and plates: add light, or set a longer exposure",
    ViewFault.BLURRED: "the picture was blurred against the first one: clean and focus the lens",
    ViewFault.MOVED: "the picture was shifted against the one on which the lines lie, and the rules paused: turn the camera back, or draw"
    " lines, lanes and signals again (`etle calibrate serve`)",
}


def limitations(camera: str, seen: Visibility, lost: Mapping[str, int], *, timezone: str, site_file: str = "SITE.yaml") -> tuple[str, ...]:
    """One sentence for each thing that the camera could not see; empty if it saw everything.

    `lost`: number of lost frames by reason. `timezone`: of the times that are shown. `site_file`: for the command to run.
    """
    zone = ZoneInfo(timezone)
    said = [
        *(_signal(name, counts, zone, site_file) for name, counts in seen.signals),
        *_vehicles(seen),
        *_plates(seen),
        *_view(seen),
        *([f"{sum(lost.values())} frames were lost ({_listed(lost)})"] if any(lost.values()) else []),
    ]
    return tuple(f"{camera}: {sentence}" for sentence in said if sentence)


def _signal(name: SignalId, counts: SignalCounts, zone: ZoneInfo, site_file: str) -> str:
    if counts.first_unknown_at is None or counts.last_unknown_at is None or counts.unknown < MIN_SHARE * counts.frames:
        return ""
    times = f"{_time(counts.first_unknown_at, zone)} to {_time(counts.last_unknown_at, zone)}"
    return (
        f"signal `{name}` could not be read in {_percent(counts.unknown, counts.frames)} of frames ({times}): no violation can be proven"
        f" then. See what is read with `etle check {site_file} --footage FILE`, and draw its box again"
    )


def _vehicles(seen: Visibility) -> Iterator[str]:
    for rule in dict.fromkeys(rule for rule, _, _ in seen.vehicles):
        counts = {reason: times for name, reason, times in seen.vehicles if name == rule}
        unseen = {_REASONS[reason]: times for reason, times in counts.items() if reason.could_not_be_seen}
        if unseen:
            total = sum(counts.values())
            share = f"{sum(unseen.values())} of {total} vehicles that met the line or lane of {rule}"
            yield f"{share} could not be judged ({_listed(unseen)}): see `etle explain`"


def _plates(seen: Visibility) -> Iterator[str]:
    plates = seen.plates
    if plates.unread:
        small = f", {plates.small} of them because they are narrower than {SMALL_PLATE_PX:g} px" if plates.small else ""
        yield f"the plate could not be read in {plates.unread} of {plates.searched} violations{small}"


def _view(seen: Visibility) -> Iterator[str]:
    for fault, times in seen.view_faults:
        if times >= MIN_VIEWS and times >= MIN_SHARE * seen.views:
            yield f"in {_percent(times, seen.views)} of the checks {_VIEW[fault]}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{times} {what}" for what, times in sorted(counts.items(), key=lambda item: -item[1]) if times)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%H:%M:%S")
