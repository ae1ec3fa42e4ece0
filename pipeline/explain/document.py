"""An explanation as JSON."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from etle.types import Finding, Measurement, Violation
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.explain.record import ExplainedVehicle, Explanation, RuleDecision
from pipeline.explain.sentences import TextLanguage, sentence


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
    measured = outcome.measured if isinstance(outcome, Finding) else tuple(each for each in (outcome.measured,) if each)
    signal = None if isinstance(outcome, Finding) else outcome.signal
    return {
        "entry": decision.entry,
        "rule": judgement.rule,
        "reason": decision.reason.value,
        "could_not_be_seen": decision.reason.could_not_be_seen,
        "lane": judgement.lane,
        "crossed": judgement.crossed and {"line": judgement.crossed.line, "at": _time(judgement.crossed.at, zone)},
        "entered": judgement.entered and {"line": judgement.entered.line, "at": _time(judgement.entered.at, zone)},
        "signal": signal and {"lamp": signal.lamp.value, "since": _time(signal.since, zone)},
        "measured": [_measured(each) for each in measured],
        "limit": None if isinstance(outcome, Finding) else outcome.limit,
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
