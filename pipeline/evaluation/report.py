"""All figures of one evaluation, also as the JSON report described in docs/evaluating.md."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from etle.types import Digest
from models.plates.readers.baselines import EasyOcrBaseline
from pipeline.evaluation.costs import Costs
from pipeline.evaluation.peers import Comparison, PeerReader
from pipeline.evaluation.run import Outcomes
from pipeline.evaluation.score import MAX_SHOWN, ForeignScore, PlateScore, foreign, precision, score, split
from pipeline.evaluation.statistics import Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """None for a table that does not exist, or for an evaluation that was not requested."""

    photos: int | None
    unboxed: int
    precision: Proportion | None
    plates: PlateScore | None
    splits: Mapping[str, Mapping[str, PlateScore]]
    crops: PlateScore | None
    crop_splits: Mapping[str, Mapping[str, PlateScore]]
    tables: tuple[tuple[str, Mapping[str, Mapping[str, PlateScore]]], ...]
    """Both splits as people read them, with titles: small groups among many are summed up."""
    foreign: ForeignScore | None
    costs: Costs
    peers: Comparison | None
    engines: tuple[tuple[str, Digest], ...]
    remarks: tuple[str, ...]


def report(
    outcomes: Outcomes, costs: Costs, peers: Comparison | None, engines: Sequence[tuple[str, Digest]], remarks: Sequence[str]
) -> Report:
    cases = [case for photo in outcomes.photos or () for case in photo.cases]
    return Report(
        photos=None if outcomes.photos is None else len(outcomes.photos),
        unboxed=sum(case.truth.box is None for case in cases),
        precision=None if outcomes.photos is None else precision(outcomes.photos),
        plates=None if outcomes.photos is None else score(cases),
        splits=split(cases),
        crops=None if outcomes.crops is None else score(outcomes.crops),
        crop_splits=split(outcomes.crops or ()),
        tables=(("photos", split(cases, most=MAX_SHOWN)), ("crops", split(outcomes.crops or (), most=MAX_SHOWN))),
        foreign=None if outcomes.foreign is None else foreign(outcomes.foreign),
        costs=costs,
        peers=peers,
        engines=tuple(engines),
        remarks=tuple(remarks),
    )


def as_json(report: Report) -> dict[str, Any]:
    plates, crops, foreign = report.plates, report.crops, report.foreign
    return {
        "n": plates.exact.total if plates else None,
        "reader_exact": plates.exact.value if plates else None,
        "finder_recall": plates.found.value if plates else None,
        "finder_precision": report.precision.value if report.precision else None,
        "end_to_end_exact": plates.end_to_end.value if plates else None,
        "coverage_at_1_percent_error": plates.coverage if plates else None,
        "foreign_read_as_indonesian": foreign.certain if foreign else None,
        "crops_exact": crops.exact.value if crops else None,
        "character_accuracy": plates.characters if plates else None,
        "expiry_exact": plates.expiry.value if plates else None,
        "colour_right": plates.colour.value if plates else None,
        "certain": _certain(plates) if plates else None,
        "counts": _counts(report),
        "calibration": _calibration(plates) if plates else None,
        "intervals": _intervals(report),
        "foreign": asdict(foreign) if foreign else None,
        "crops": _score(crops) if crops else None,
        "splits": _splits(report.splits),
        "crop_splits": _splits(report.crop_splits),
        "peers": _peers(report.peers) if report.peers else None,
        "cost_ratio_to_easyocr": cost_ratio(report),
        "cpu_ms": {**asdict(report.costs), "track": _track(report.peers)},
        "engines": dict(report.engines),
        "remarks": list(report.remarks),
    }


def _score(score: PlateScore) -> dict[str, Any]:
    return {
        "finder_recall": score.found.value,
        "reader_exact": score.exact.value,
        "end_to_end_exact": score.end_to_end.value,
        "character_accuracy": score.characters,
        "expiry_exact": score.expiry.value,
        "colour_right": score.colour.value,
        "coverage_at_1_percent_error": score.coverage,
        "calibration_error": score.calibration_error,
        "certain": _certain(score),
        "boxes": score.found.total,
        "n": score.exact.total,
    }


def _certain(score: PlateScore) -> dict[str, Any]:
    wrong = score.certain_wrong
    return {
        "n": wrong.total,
        "wrong": wrong.count,
        "error": wrong.value,
        "interval": wrong.interval,
        "coverage": wrong.total / score.exact.total if score.exact.total else None,
    }


def _calibration(score: PlateScore) -> dict[str, Any]:
    return {"error": score.calibration_error, "bins": [asdict(bin) for bin in score.bins]}


def _counts(report: Report) -> dict[str, Any]:
    plates = report.plates
    return {
        "photos": report.photos,
        "boxes": plates.found.total if plates else None,
        "boxes_with_text": plates.exact.total if plates else None,
        "plates_without_box": report.unboxed if plates else None,
        "with_expiry": plates.expiry.total if plates else None,
        "with_colour": plates.colour.total if plates else None,
        "crops": report.crops.exact.total if report.crops else None,
        "foreign_photos": report.foreign.photos if report.foreign else None,
        "foreign_boxes": report.foreign.boxes if report.foreign else None,
    }


def _intervals(report: Report) -> dict[str, Any]:
    plates, crops = report.plates, report.crops
    shares = {
        "reader_exact": plates.exact if plates else None,
        "finder_recall": plates.found if plates else None,
        "finder_precision": report.precision,
        "end_to_end_exact": plates.end_to_end if plates else None,
        "expiry_exact": plates.expiry if plates else None,
        "colour_right": plates.colour if plates else None,
        "crops_exact": crops.exact if crops else None,
    }
    return {name: share.interval if share else None for name, share in shares.items()}


def _splits(splits: Mapping[str, Mapping[str, PlateScore]]) -> dict[str, Any]:
    return {name: {value: _score(score) for value, score in groups.items()} for name, groups in splits.items()}


def cost_ratio(report: Report) -> float | None:
    """CPU time of plate detection and reading over one track / CPU time of EasyOCR on one crop, in the same run."""
    peers = report.peers
    easyocr = next((peer.cpu_ms for peer in (peers.others if peers else ()) if peer.name == EasyOcrBaseline.name), None)
    return peers.track.models_cpu_ms / easyocr if peers and peers.track and easyocr else None


def _track(peers: Comparison | None) -> dict[str, Any] | None:
    return asdict(peers.track) if peers and peers.track else None


def _peers(peers: Comparison) -> dict[str, Any]:
    return {peer.name: _peer(peer) for peer in (peers.ours, *peers.others)}


def _peer(peer: PeerReader) -> dict[str, Any]:
    return {
        "n": peer.given.total,
        "reader_exact": peer.given.value,
        "crops": peer.crops.total,
        "crops_exact": peer.crops.value,
        "cpu_ms_per_plate": peer.cpu_ms,
    }
