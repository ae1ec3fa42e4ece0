"""`etle evaluate`: measures plates on labelled photos, lamps on labelled signal heads, riders on labelled photos, the whole stage on
labelled clips, and the rules on simulated traffic."""

import argparse
import json
from pathlib import Path

from etle_cli.commands import evaluate_clips, evaluate_helmets, evaluate_lamps, evaluate_tracks


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "evaluate", help="measure engines and rules on labelled photos, signal heads, riders and clips, and on simulated traffic"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    plates = actions.add_parser(
        "plates",
        help="on labelled photos",
        description="Detects and reads the plates of photos as the pipeline does and compares the results with the labels. DIR contains at "
        "least one of plates_full.csv (photos with boxes and texts), plate_crops.csv (crops with texts) and plates_foreign.csv (plates of "
        "other countries), with their pictures; docs/evaluating.md describes the layout and every figure.",
    )
    plates.add_argument("folder", type=Path, metavar="DIR")
    plates.add_argument(
        "--reader", action="append", metavar="ENGINE", help="a reader to use, one of those for `detect: readers:`; may be repeated"
    )
    plates.add_argument(
        "--reader-weights", type=Path, metavar="FILE", help="weights of the reader tnkb, as `etle models train` writes them"
    )
    plates.add_argument("--finder-weights", type=Path, metavar="FILE", help="weights of the plate detector, likewise")
    plates.add_argument("--limit", type=positive, metavar="N", help="use only N pictures of each table, spread evenly")
    plates.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    plates.add_argument("--html", type=Path, metavar="FILE", help="write a page with every error and its picture; it shows real plates")
    plates.add_argument("--peers", action="store_true", help="also run EasyOCR and PP-OCR, unmodified, on the same crops (EasyOCR is slow)")
    plates.add_argument(
        "--peer-crops",
        type=positive,
        default=40,
        metavar="N",
        help="with --peers: number of plates of photos and of crops (default: %(default)s)",
    )
    plates.set_defaults(run=run_plates)
    evaluate_clips.add(actions)
    evaluate_lamps.add(actions)
    evaluate_tracks.add(actions)
    evaluate_helmets.add(actions)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def run_plates(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from etle_cli.tables.evaluation import progress, show
    from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_plates

    for option, file in (("--json", args.json), ("--html", args.html)):
        check_writable(option, file)
    at = datetime.now(UTC)
    options = EvaluationOptions(
        folder=args.folder,
        readers=tuple(args.reader or ()),
        reader_weights=args.reader_weights,
        detector_weights=args.finder_weights,
        limit=args.limit,
        peer_plates=args.peer_crops if args.peers else None,
    )
    outcomes, report = evaluate_plates(options, at, progress)
    if args.json:
        from pipeline.evaluation.report import as_json

        args.json.write_text(json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.html:
        from pipeline.evaluation.contact_sheet import sheets
        from pipeline.evaluation.html import page

        args.html.write_text(page(report, sheets(outcomes), args.folder.resolve().name, at), encoding="utf-8")
    show(report)
    return 0


def check_writable(option: str, file: Path | None) -> None:
    """Checked before the evaluation, which takes up to half an hour. Raises ConfigError."""
    from etle.errors import ConfigError

    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise ConfigError(f"{option} {file}: {'is a folder' if file.is_dir() else f'there is no folder {file.parent}'}")
