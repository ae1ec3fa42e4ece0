"""A dry look at a recording: what the stage of its camera would see, and what not. Nothing is stored."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from etle.clock import SystemClock
from etle.config.site import load_site
from etle.errors import ConfigError, EtleError
from etle.types import Lamp
from etle_cli.check.result import CheckResult, note, ok, problem
from etle_cli.options.footage import with_footage
from pipeline.explain.record import Explanation


def check_footage(path: Path, cameras: Sequence[str], file: Path) -> Iterator[CheckResult]:
    """What was read of each signal, the vehicles of each rule, and a note for each thing that could not be seen."""
    from ingest.sources.provider import SiteSources
    from pipeline.assembly import open_site_engines, shipped_law
    from pipeline.detect.visibility_report import limitations
    from pipeline.explain.record import Period, explain_camera
    from pipeline.workers.stages import SiteStageFactory

    clock = SystemClock()
    try:
        site = with_footage(load_site(path), cameras, file)
        camera, sources = site.cameras[0], SiteSources(site, clock)
        stages = SiteStageFactory(site, open_site_engines(site), shipped_law())
        explanation = explain_camera(camera, site.evidence, stages, sources.open(camera), clock, Period())
    except ConfigError as error:
        yield from (problem("site file", line) for line in str(error).splitlines())
        return
    except EtleError as error:
        yield problem("footage", str(error))
        return
    yield from _seen(explanation, file)
    lost = sources.losses().get(camera.camera_id, {})
    for sentence in limitations(camera.id, explanation.visibility, lost, timezone=site.timezone, site_file=path.name):
        yield note("could not be seen", sentence)


def _seen(explanation: Explanation, file: Path) -> Iterator[CheckResult]:
    if not explanation.frames:
        yield problem("footage", f"{file}: not one frame could be used. {' '.join(explanation.rejected)}")
        return
    yield ok("footage", f"{file}: {len(explanation.frames)} frames, {len(explanation.vehicles)} vehicles that met a line or lane")
    for name in dict.fromkeys(name for record in explanation.frames for name, _ in record.lamps):
        lamps = [lamp for record in explanation.frames for signal, lamp in record.lamps if signal == name]
        shares = ", ".join(f"{lamp.value} {100 * lamps.count(lamp) / len(lamps):.0f} %" for lamp in Lamp if lamp in lamps)
        yield ok(f"signal {name}", shares)
    decisions = [decision for vehicle in explanation.vehicles for decision in vehicle.decisions]
    for rule in dict.fromkeys(decision.judgement.rule for decision in decisions):
        reasons = [decision.reason.value for decision in decisions if decision.judgement.rule == rule]
        yield ok(f"rule {rule}", ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons)))
