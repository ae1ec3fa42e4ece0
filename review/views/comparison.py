"""What two runs found, side by side, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from etle.plates import formatted
from etle.runs.compare import ComparedViolation, Difference, VerdictScore
from etle.runs.plan import ReprocessPlan
from etle.storage.runs import LIVE, StoredRun
from etle.types import Box, CameraId, Verdict
from review.comparisons import ComparisonEntry
from review.i18n import Translator
from review.views.measurement import measurement_view
from review.views.verdict import verdict_label

_MARGIN: Final = 0.6
"""Around the vehicle, in its own size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedValueView:
    label: str
    text: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """A part of a picture, in its pixels."""

    url: str
    label: str
    width: int
    height: int
    window: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCaseView:
    run: str
    link: str | None
    """The page of the case."""
    picture: ShownPicture | None
    facts: tuple[ComparedValueView, ...]
    verdict: Verdict | None
    label: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonEntryView:
    title: str
    when: str
    camera: str
    sides: tuple[ComparedCaseView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScoreView:
    run: str
    precision: str
    recall: str
    plates: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    name: str
    site: str
    range: str
    cameras: int
    frames: str
    violations: str
    state: str
    started: str
    started_by: str


class ComparisonEntryTexts:
    """Turns entries into what the page shows."""

    def __init__(self, t: Translator, rules: Mapping[str, str], cameras: Mapping[CameraId, str], timezone: str) -> None:
        self._t = t
        self._rules = rules
        self._cameras = cameras
        self._timezone = timezone

    def view(self, entry: ComparisonEntry, a: str, b: str) -> ComparisonEntryView:
        found = entry.a or entry.b
        assert found is not None, "one of both found it"
        differences = entry.pair.differences if entry.pair else ()
        sides = ((a, entry.a), (b, entry.b))
        return ComparisonEntryView(
            title=self._rules.get(found.rule, found.rule.replace("_", " ")),
            when=self._t.date_time(found.occurred_at, self._timezone),
            camera=self._cameras.get(found.camera, found.camera),
            sides=tuple(self._side(run, each, differences) for run, each in sides if each is not None),
        )

    def _side(self, run: str, each: ComparedViolation, differences: Sequence[Difference]) -> ComparedCaseView:
        return ComparedCaseView(
            run=run_label(run, self._t),
            link=f"/cases/{each.id}" if run == LIVE else None,
            picture=self._picture(run, each),
            facts=tuple(self._facts(each, differences)),
            verdict=each.verdict,
            label=verdict_label(each.verdict, self._t) if each.verdict else "",
            id=str(each.id),
        )

    def _facts(self, each: ComparedViolation, differences: Sequence[Difference]) -> Iterator[ComparedValueView]:
        t = self._t
        plate = f"{formatted(each.plate) if each.plate else t('proposal.none')} ({t.percent(each.probability)})"
        yield ComparedValueView(label=t("plate.title"), text=plate, differs=Difference.PLATE in differences)
        certainty = t(f"proposal.{each.certainty}")
        yield ComparedValueView(label=t("runs.certainty"), text=certainty, differs=Difference.CERTAINTY in differences)
        views = [measurement_view(measurement, t) for measurement in each.measured]
        measured = ", ".join(f"{view.name} {view.text}" for view in views) or t("proposal.none")
        yield ComparedValueView(label=t("runs.measurement"), text=measured, differs=Difference.MEASUREMENT in differences)
        if each.decided_plate:
            yield ComparedValueView(label=t("runs.decided_plate"), text=formatted(each.decided_plate), differs=False)

    def _picture(self, run: str, each: ComparedViolation) -> ShownPicture | None:
        if each.picture is None or each.picture_size is None:
            return None
        width, height = each.picture_size
        folder = f"/cases/{each.id}/evidence" if run == LIVE else f"/runs/{run}/violations/{each.id}"
        return ShownPicture(
            url=f"{folder}/{each.picture}.jpg",
            label=f"{self._t('picture.at')}, {run_label(run, self._t)}",
            width=width,
            height=height,
            window=_window(each.vehicle_box, width, height),
        )


def score_view(run: str, score: VerdictScore, t: Translator) -> RunScoreView:
    return RunScoreView(
        run=run_label(run, t),
        precision=_share(score.precision, score.found, score.found + score.accused, t),
        recall=_share(score.recall, score.found, score.confirmed, t),
        plates=f"{t.number(score.plates_right)} / {t.number(score.plates)}",
    )


def run_view(run: StoredRun, promoted: bool, timezone: str, t: Translator) -> RunView:
    plan = ReprocessPlan.of(run.plan)
    state = "promoted" if promoted else "finished" if run.finished_at else "unfinished"
    return RunView(
        name=run.name,
        site=run.site,
        range=_range(plan, timezone, t),
        cameras=len(plan.cameras),
        frames=t.number(sum(camera.frames for camera in run.cameras)),
        violations=t.number(run.violations),
        state=t(f"runs.{state}"),
        started=t.date_time(run.started_at, timezone),
        started_by=run.started_by,
    )


def run_label(run: str, t: Translator) -> str:
    return t("runs.live") if run == LIVE else run


def _range(plan: ReprocessPlan, timezone: str, t: Translator) -> str:
    zone = ZoneInfo(timezone)
    ends = (f"{each.astimezone(zone):%d/%m/%Y %H:%M}" if each else t("runs.open_end") for each in (plan.since, plan.until))
    return " – ".join(ends)


def _share(share: float | None, part: int, whole: int, t: Translator) -> str:
    return "–" if share is None else f"{t.percent(share)} ({t.number(part)} / {t.number(whole)})"


def _window(box: Box | None, width: int, height: int) -> Box:
    """The vehicle with its surroundings, inside of the picture; the whole picture if its box is not known."""
    if box is None:
        return Box(0, 0, width, height)
    x, y = box.width * _MARGIN, box.height * _MARGIN
    return Box(max(0, box.x1 - x), max(0, box.y1 - y), min(width, box.x2 + x), min(height, box.y2 + y))
