"""An explanation as JSON."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from etle.types import Finding, Measurement, Violation
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.explain.record import ExplainedVehicle, Explanation, RuleDecision
from pipeline.explain.sentences import TextLanguage, sentence
from pipeline.scene.judgement import NotReported


def document_of(explanation: Explanation, limitations: tuple[str, ...], zone: ZoneInfo) -> dict[str, Any]:
    """Times are ISO 8601 in the site's time zone; lengths and speeds carry their unit."""
    frames = explanation.frames
    return {
        "camera": explanation.camera.id,
        "from": _time(frames[0].captured_at, zone) if frames else None,
        "to": _time(frames[-1].captured_at, zone) if frames else None,
        "frames": len(frames),
        "vehicles": [_vehicle(vehicle, zone) for vehicle in explanation.vehicles],
        "could_not_be_seen": list(limitations),
    }


def _vehicle(vehicle: ExplainedVehicle, zone: ZoneInfo) -> dict[str, Any]:
    track = vehicle.track
    return {
        "track": track.id,
        "vehicle": vehicle_class_of(track).value,
        "first_seen": _time(track.first.captured_at, zone),
        "last_seen": _time(track.last.captured_at, zone),
        "decisions": [_decision(decision, zone) for decision in vehicle.decisions],
        "violations": [_violation(violation) for violation in vehicle.violations],
    }


def _decision(decision: RuleDecision, zone: ZoneInfo) -> dict[str, Any]:
    judgement, outcome = decision.judgement, decision.judgement.outcome
    against = outcome if isinstance(outcome, NotReported) else NotReported(reason=decision.reason)
    measured = outcome.measured if isinstance(outcome, Finding) else tuple(each for each in (against.measured,) if each)
    return {
        "entry": decision.entry,
        "rule": judgement.rule,
        "reason": decision.reason.value,
        "could_not_be_seen": decision.reason.could_not_be_seen,
        "lane": judgement.lane,
        "zone": judgement.zone,
        "crossed": judgement.crossed and {"line": judgement.crossed.line, "at": _time(judgement.crossed.at, zone)},
        "entered": judgement.entered and {"line": judgement.entered.line, "at": _time(judgement.entered.at, zone)},
        "left": judgement.left and {"line": judgement.left.line, "at": _time(judgement.left.at, zone)},
        "signal": against.signal and {"lamp": against.signal.lamp.value, "since": _time(against.signal.since, zone)},
        "measured": [_measured(each) for each in measured],
        "limit": against.limit,
        "text": {language.value: sentence(decision, zone, language) for language in TextLanguage},
    }


def _violation(violation: Violation) -> dict[str, Any]:
    plate = violation.plate
    return {
        "id": str(violation.id),
        "rule": violation.rule,
        "plate": plate.text,
        "certainty": plate.certainty.value,
        "probability": plate.probability,
        "reads": [
            {"sequence": each.sequence, "reader": each.read.reader, "text": each.read.text, "box": list(each.plate.box)}
            for each in plate.sightings
        ],
    }


def _measured(measured: Measurement) -> dict[str, Any]:
    return {"name": measured.name, "value": measured.value, "unit": measured.unit, "uncertainty": measured.uncertainty}


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="milliseconds")
