"""Evaluates the engines on a dataset of labelled photos: the function behind `etle evaluate plates`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from etle.config.site import DetectionSettings
from etle.errors import ConfigError, MissingExtra, WeightsError
from models.plates.readers.baselines import BaselineReader, EasyOcrBaseline, PpOcrBaseline
from models.weights.locate import weight
from pipeline.assembly import Engines, needed_weights, open_engines
from pipeline.evaluation.costs import MeteredDetector, MeteredPlateDetector, MeteredReader, costs_of
from pipeline.evaluation.dataset import load_dataset
from pipeline.evaluation.peers import Comparison, compare, sample
from pipeline.evaluation.report import Report, report
from pipeline.evaluation.run import EvaluatedEngines, Outcomes, ProgressCallback, run_engines
from pipeline.evaluation.tracks import track_cost
from pipeline.plates.search import PlateSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    folder: Path
    """Folder of the dataset."""
    readers: tuple[str, ...] = ()
    """Empty: the default readers of a site file."""
    reader_weights: Path | None = None
    detector_weights: Path | None = None
    """Of the plate detector."""
    limit: int | None = None
    """Maximum number of pictures of each table."""
    peer_plates: int | None = None
    """Maximum number of plates of photos, and of crops, to compare with other OCR engines; None: no comparison."""


def evaluate_plates(options: EvaluationOptions, at: datetime, progress: ProgressCallback) -> tuple[Outcomes, Report]:
    """Raises ConfigError for a wrong dataset or wrong options, and the errors of the engines. `at`: time of the evaluation."""
    settings = detection_settings(options)
    needed_weights(settings)  # reports an unknown reader before the dataset is read
    dataset = load_dataset(options.folder, options.limit)
    engines = open_engines(settings)
    vehicle_detector, plate_detector = MeteredDetector(engines.detector), MeteredPlateDetector(engines.plate_detector)
    readers = [MeteredReader(reader) for reader in engines.readers]
    evaluated = EvaluatedEngines(vehicle_detector=vehicle_detector, plate_detector=plate_detector, readers=readers, at=at)
    outcomes = run_engines(dataset, evaluated, progress)
    costs = costs_of(vehicle_detector, plate_detector, readers, photos=outcomes.photo_count, plates=outcomes.read_count)
    peers, remarks = None, dataset.remarks
    if options.peer_plates is not None:
        peers, unavailable = _compare_with_peers(outcomes, engines, settings, options.peer_plates, costs.readers, at, progress)
        remarks = (*remarks, *unavailable)
    return outcomes, report(outcomes, costs, peers, engines.digests, remarks)


def detection_settings(options: EvaluationOptions) -> DetectionSettings:
    """The defaults of a site file with the readers and weights of the options. Raises ConfigError."""
    weights = {"reader_weights": options.reader_weights, "finder_weights": options.detector_weights}
    try:
        return DetectionSettings.model_validate({**weights, **({"readers": options.readers} if options.readers else {})})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'readers'}: {problem['msg']}" for problem in error.errors())
        raise ConfigError(f"these readers and weights cannot be used: {problems}") from error


def _compare_with_peers(
    outcomes: Outcomes,
    engines: Engines,
    settings: DetectionSettings,
    max_plates: int,
    etle_ms: float | None,
    at: datetime,
    progress: ProgressCallback,
) -> tuple[Comparison, list[str]]:
    """The comparison, and the reasons why engines are not available."""
    peers, unavailable = open_peers()
    plates = sample(outcomes, max_plates)
    search = PlateSearch(engines.plate_detector, engines.readers, settings.plate_reads, engines.tiebreaker)
    track = track_cost(plates.given, engines.detector, search, at, progress)
    return compare(plates, peers, etle_ms, track, progress), unavailable


def open_peers() -> tuple[list[BaselineReader], list[str]]:
    """The OCR engines that are installed, and the reasons why the others are not available."""
    factories: dict[str, Callable[[], BaselineReader]] = {
        "PP-OCRv6, whole crop": lambda: PpOcrBaseline(weight("ppocrv6-rec")),
        "PP-OCRv6, upper part": lambda: PpOcrBaseline(weight("ppocrv6-rec"), upper=0.7),
        "EasyOCR": lambda: EasyOcrBaseline(_easyocr_folder()),
    }
    peers, unavailable = [], []
    for name, open_peer in factories.items():
        try:
            peers.append(open_peer())
        except (MissingExtra, WeightsError) as error:
            unavailable.append(f"{name} is not available: {error}")
    return peers, unavailable


def _easyocr_folder() -> Path:
    """The folder of both of its weight files. Raises WeightsError."""
    folders = {weight(name).parent for name in ("easyocr-detection", "easyocr-recognition")}
    return folders.pop()
