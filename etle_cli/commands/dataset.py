"""`etle dataset`: data sets for training, from cases that reviewers decided."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etle.errors import ConfigError
from etle_cli.options.period import add_period_options, period_in
from etle_cli.options.storage import add_storage_options, open_existing_stores


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("dataset", help="make data sets for training from decided cases")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser(
        "export",
        help="write the pictures of decided cases with their labels",
        description="Writes the pictures of confirmed cases and warnings, with the boxes of vehicles and plates and the texts that "
        "reviewers confirmed or corrected. The pictures are personal data: see LICENCE.md in the folder. Pictures past "
        "--retention-days are left out, and `etle dataset prune` deletes them later.",
    )
    export.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist or is empty")
    export.add_argument("--content", choices=("plates", "vehicles"), default="plates", help="what is labelled (default: %(default)s)")
    export.add_argument(
        "--format",
        choices=("plates", "yolo", "coco"),
        default="plates",
        help="plates: the table that `etle evaluate plates` and `etle models train reader --finetune` read (default: %(default)s)",
    )
    add_period_options(export, zone="UTC")
    export.add_argument("--camera", help="only those of this camera")
    export.add_argument(
        "--validation-share", type=float, default=0.2, metavar="SHARE", help="of the vehicles, for validation (default: %(default)s)"
    )
    export.add_argument(
        "--retention-days", type=int, default=365, metavar="N", help="days after the violation that a picture may be kept (default: 365)"
    )
    export.add_argument("--only-cases", action="store_true", help="with --content vehicles: do not add the vehicles that no case is about")
    add_storage_options(export)
    export.set_defaults(run=run_export)
    prune = actions.add_parser("prune", help="delete the pictures of a data set that may not be kept any longer")
    prune.add_argument("folder", type=Path, metavar="DIR")
    prune.set_defaults(run=run_prune)


def run_export(args: argparse.Namespace) -> int:
    from pipeline.datasets.export import DatasetContent, DatasetOptions, export_dataset
    from pipeline.datasets.pictures import PictureOptions

    if not 0 <= args.validation_share < 1:
        raise ConfigError(f"--validation-share is {args.validation_share}: give 0 or more, and less than 1")
    if not 1 <= args.retention_days <= 36500:
        raise ConfigError(f"--retention-days is {args.retention_days}: give 1 to 36500")
    since, until = period_in(args, "UTC")
    options = DatasetOptions(
        folder=args.folder,
        content=DatasetContent(args.content),
        format=args.format,
        since=since,
        until=until,
        camera=args.camera,
        pictures=PictureOptions(retention=timedelta(days=args.retention_days), validation_share=args.validation_share),
    )
    options.check()
    detector = None
    if options.content is DatasetContent.VEHICLES and not args.only_cases:
        from models.vehicles import open_vehicle_detector

        detector = open_vehicle_detector("onnx")
    with open_existing_stores(args) as stores:
        summary = export_dataset(options, stores.cases, stores.evidence, detector, datetime.now(UTC))
    labels = ", ".join(f"{count} {name}" for name, count in sorted(summary.labels.items())) or "no labels"
    sys.stdout.write(f"{args.folder}: {len(summary.index.pictures)} pictures with {labels}, of {summary.cases} decided cases\n")
    for count, why in (
        (summary.too_old, "cases are older than --retention-days"),
        (summary.without_label, "cases give no label: rejected, or without a plate that was read and confirmed"),
        (summary.unreadable, "pictures are missing, changed or cannot be decoded: etle evidence verify"),
    ):
        if count:
            sys.stdout.write(f"left out: {count} {why}\n")
    return 0 if summary.index.pictures else 1


def run_prune(args: argparse.Namespace) -> int:
    from pipeline.datasets.export import prune_dataset

    deleted, left = prune_dataset(args.folder, datetime.now(UTC))
    sys.stdout.write(f"{args.folder}: {deleted} pictures deleted, {left} left\n")
    return 0
