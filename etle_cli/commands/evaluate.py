"""`etle evaluate plates`: find and read plates on photos whose plates are known, and say how well that went."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from etle.config.site import DetectionSettings
    from models.plates.readers.baselines import PlainReader
    from pipeline.assembly import Engines
    from pipeline.evaluation.peers import Comparison
    from pipeline.evaluation.report import Report
    from pipeline.evaluation.run import Outcomes


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evaluate", help="measure how well plates are found and read")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    plates = deeds.add_parser(
        "plates",
        help="on photos whose plates are known",
        description="Finds and reads the plates of photos as the pipeline does, and holds them against what is true. DIR holds any of "
        "plates_full.csv (photos with boxes and texts), plate_crops.csv (crops with texts) and plates_foreign.csv (plates of other "
        "countries) with their pictures; docs/evaluating.md describes the layout and every figure.",
    )
    plates.add_argument("folder", type=Path, metavar="DIR")
    plates.add_argument(
        "--reader", action="append", metavar="ENGINE", help="read with this one, of those in `detect: readers:`; several: say it again"
    )
    plates.add_argument(
        "--reader-weights", type=Path, metavar="FILE", help="weights for the reader tnkb, as `etle models train` writes them"
    )
    plates.add_argument("--finder-weights", type=Path, metavar="FILE", help="weights for the plate finder, likewise")
    plates.add_argument("--limit", type=positive, metavar="N", help="only N pictures of each table, spread evenly")
    plates.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    plates.add_argument("--html", type=Path, metavar="FILE", help="write a page with every error and its picture; share it with care")
    plates.add_argument("--peers", action="store_true", help="show the same crops to EasyOCR and PP-OCR as they come (EasyOCR is slow)")
    plates.add_argument(
        "--peer-crops", type=positive, default=40, metavar="N", help="with --peers: N plates of photos and N crops (default: %(default)s)"
    )
    plates.set_defaults(run=run_plates)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def run_plates(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from etle_cli.tables.evaluation import show

    for option, file in (("--json", args.json), ("--html", args.html)):
        writable(option, file)
    at = datetime.now(UTC)
    outcomes, found = evaluated(args, at)
    if args.json:
        from pipeline.evaluation.report import as_json

        args.json.write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.html:
        from pipeline.evaluation.contact_sheet import sheets
        from pipeline.evaluation.html import page

        args.html.write_text(page(found, sheets(outcomes), args.folder.resolve().name, at), encoding="utf-8")
    show(found)
    return 0


def writable(option: str, file: Path | None) -> None:
    """Looked at first: what took half an hour must not be lost for a wrong path. Raises ConfigError."""
    from etle.errors import ConfigError

    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ConfigError(f"{option} {file}: {'is a folder' if file.is_dir() else f'there is no folder {file.parent}'}")


def evaluated(args: argparse.Namespace, at: "datetime") -> "tuple[Outcomes, Report]":
    """Raises ConfigError for what is wrong with the folder or the options, and what engines raise."""
    from etle_cli.tables.evaluation import progress
    from pipeline.assembly import open_engines
    from pipeline.evaluation.costs import MeteredDetector, MeteredPlateDetector, MeteredReader, costs_of
    from pipeline.evaluation.dataset import load_truth
    from pipeline.evaluation.report import report
    from pipeline.evaluation.run import EvaluatedEngines, look

    settings = detection(args.reader, reader_weights=args.reader_weights, finder_weights=args.finder_weights)
    truth = load_truth(args.folder, args.limit)
    engines = open_engines(settings)
    detector, finder = MeteredDetector(engines.detector), MeteredPlateDetector(engines.finder)
    readers = [MeteredReader(reader) for reader in engines.readers]
    outcomes = look(truth, EvaluatedEngines(detector=detector, finder=finder, readers=readers, at=at), progress)
    costs = costs_of(detector, finder, readers, photos=outcomes.searched, plates=outcomes.read)
    peers, absent = compared(outcomes, engines, settings, args.peer_crops, costs.readers, at) if args.peers else (None, [])
    return outcomes, report(outcomes, costs, peers, engines.digests, (*truth.remarks, *absent))


def compared(
    outcomes: "Outcomes", engines: "Engines", settings: "DetectionSettings", most: int, ours_ms: float | None, at: "datetime"
) -> "tuple[Comparison, list[str]]":
    """With why a peer was not asked."""
    from etle_cli.tables.evaluation import progress
    from pipeline.evaluation.peers import compare, sample
    from pipeline.evaluation.tracks import track_cost
    from pipeline.plates.search import PlateSearch

    peers, absent = open_peers()
    plates = sample(outcomes, most)
    search = PlateSearch(engines.finder, engines.readers, settings.plate_reads, engines.arbiter)
    track = track_cost(plates.given, engines.detector, search, at, progress)
    return compare(plates, peers, ours_ms, track, progress), absent


def detection(readers: Sequence[str] | None, **weights: Path | None) -> "DetectionSettings":
    """The defaults of a site file, with other readers and weights. Raises ConfigError."""
    from pydantic import ValidationError

    from etle.config.site import DetectionSettings
    from etle.errors import ConfigError

    try:
        return DetectionSettings.model_validate({**weights, **({"readers": readers} if readers else {})})
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'readers'}: {problem['msg']}" for problem in error.errors())
        raise ConfigError(f"these readers and weights cannot be used: {told}") from error


def open_peers() -> "tuple[list[PlainReader], list[str]]":
    """Those that run here, and why the others do not."""
    from etle.errors import MissingExtra, WeightsError
    from models.plates.readers.baselines import EasyOcrBaseline, PpOcrBaseline
    from models.weights.locate import weight

    ways: dict[str, Callable[[], PlainReader]] = {
        "PP-OCRv6, whole crop": lambda: PpOcrBaseline(weight("ppocrv6-rec")),
        "PP-OCRv6, upper part": lambda: PpOcrBaseline(weight("ppocrv6-rec"), upper=0.7),
        "EasyOCR": lambda: EasyOcrBaseline(_easyocr_folder()),
    }
    peers, absent = [], []
    for name, opened in ways.items():
        try:
            peers.append(opened())
        except (MissingExtra, WeightsError) as error:
            absent.append(f"{name} was not asked: {error}")
    return peers, absent


def _easyocr_folder() -> Path:
    """Where both of its weights lie. Raises WeightsError."""
    from models.weights.locate import weight

    folders = {weight(name).parent for name in ("easyocr-detection", "easyocr-recognition")}
    return folders.pop()
