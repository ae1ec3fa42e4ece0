"""Fits the confidence model of voted plates to labelled plates, and the threshold from which a plate is certain.

    python -m benchmark.plate_confidence DIR... [--crops FILE] [--leave-out FILE] [--out configs/plates/confidence.yaml] [--json FILE]

Each DIR has the layout for `etle evaluate plates`: plates_full.csv (read in the true boxes), plate_crops.csv, or both. `--crops` names
a further table of crops, whose labels may be unverified: `--leave-out` names the pictures whose label was found wrong.
Each plate is voted from one crop and from two, by `tnkb` and `ppocr` together and by each alone, so that the model covers plates that only
one can read. The printed figures are from ten-fold cross-validation; all pictures of one plate are in the same fold.
"""

import argparse
import csv
import sys
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from benchmark.report import parser, save, show
from etle.config.site import DetectionSettings
from etle.plates import normalise
from etle.protocols import PlateReader
from etle.types import Box, PlateBox, PlateSighting
from pipeline.assembly import open_engines
from pipeline.evaluation.dataset import CROPS, PHOTOS, load_dataset, sample_evenly
from pipeline.evaluation.pictures import load
from pipeline.evaluation.statistics import Proportion, coverage_at, error_curve
from pipeline.plates.confidence import ConfidenceFeatures, ConfidenceModel, feature_values
from pipeline.plates.crops import TIGHT_MARGIN, PlateInFrame
from pipeline.plates.voting import vote_uncalibrated

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = ("constant", *(field.name for field in fields(ConfidenceFeatures)))
_RIDGE = 1.0
"""L2 penalty, because a few hundred plates do not determine all coefficients."""
_STEPS = 50
_FOLDS = 10
_LEAST_CERTAIN = 0.95
"""Lowest threshold for `certain`, however few of the plates above it are wrong."""
_ALSO_IN = "plate_also_in_plate_crops"
"""Column of a table of further crops: `yes` for a plate that plate_crops.csv has, too."""


@dataclass(frozen=True, slots=True)
class ConfidenceExample:
    features: ConfidenceFeatures
    right: bool
    corroborated: bool
    """Whether the plate is certain if its probability is high enough."""


@dataclass(frozen=True, slots=True)
class ReadPlate:
    """One labelled plate with its votes; None where nothing was read."""

    label: str
    source: str
    """Table of its picture."""
    first: ConfidenceExample | None
    """From the first crop, by all readers."""
    second: ConfidenceExample | None
    """From both crops, by all readers; what counts unless the first is certain."""
    others: tuple[ConfidenceExample, ...]
    """By each reader alone."""

    @property
    def examples(self) -> Iterator[ConfidenceExample]:
        yield from (example for example in (self.first, self.second, *self.others) if example)

    @property
    def fold(self) -> int:
        return zlib.crc32(self.label.encode()) % _FOLDS


def read_plates(pictures: Sequence["LabelledPicture"], readers: Sequence[PlateReader], at: datetime) -> Iterator[ReadPlate]:
    """Raises InferenceError, SourceError."""
    for number, picture in enumerate(pictures, 1):
        if number % 100 == 0:
            sys.stderr.write(f"{number} pictures\n")
        image = load(picture.path)
        for label, box in picture.plates:
            area = box or Box(0, 0, image.shape[1], image.shape[0])
            plate = PlateInFrame(image, PlateBox(box=area, score=1.0), 0, at)
            first = plate.read_with(readers)
            both = [*first, *plate.read_with(readers, TIGHT_MARGIN)]
            alone = [[s for s in both if s.read.reader == reader.name] for reader in readers]
            others = tuple(example for reads in alone if (example := _example(label, reads, at)))
            yield ReadPlate(label, picture.source, _example(label, first, at), _example(label, both, at), others)


def _example(label: str, sightings: Sequence[PlateSighting], at: datetime) -> ConfidenceExample | None:
    voted = vote_uncalibrated(sightings, at)
    return ConfidenceExample(voted.features, voted.text == label, voted.corroborated) if voted else None


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    path: Path
    source: str
    plates: tuple[tuple[str, Box | None], ...]
    """Texts, with the boxes in a photo; None for a crop."""


def pictures_of(folder: Path, limit: int | None) -> Iterator[LabelledPicture]:
    """Raises ConfigError."""
    dataset = load_dataset(folder, limit)
    for source, pictures, boxed in ((PHOTOS, dataset.photos, True), (CROPS, dataset.crops, False)):
        for picture in pictures or ():
            plates = tuple((p.text, p.box if boxed else None) for p in picture.plates if p.text and (p.box or not boxed))
            yield LabelledPicture(picture.path, f"{folder.name}/{source}", plates)


def further_crops(table: Path, leave_out: Collection[str], limit: int | None) -> Sequence[LabelledPicture]:
    """The crops of a table with the columns `file` and `plate_text`, without those whose file name is in `leave_out`."""
    with table.open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["plate_text"] and row.get(_ALSO_IN) != "yes"]
    named = [(table.parent / row["file"], normalise(row["plate_text"])) for row in rows]
    kept = [LabelledPicture(path, table.name, ((text, None),)) for path, text in named if path.name not in leave_out]
    return sample_evenly(kept, limit)


def fitted(given: Sequence[ConfidenceExample]) -> dict[str, float]:
    """Penalised maximum likelihood by Newton's method. Coefficients are not negative, as every feature is evidence for the text."""
    x, y = _matrix(given), np.array([example.right for example in given], float)
    fixed = np.zeros(len(_NAMES), bool)
    while True:
        beta = _newton(x, y, fixed)
        negative = (beta[1:] < 0) & ~fixed[1:]
        if not negative.any():
            return {name: round(float(value), 4) for name, value in zip(_NAMES, beta, strict=True)}
        fixed[1:] |= negative


def _newton(x: "NDArray[np.float64]", y: "NDArray[np.float64]", fixed: "NDArray[np.bool_]") -> "NDArray[np.float64]":
    free = ~fixed
    beta = np.zeros(x.shape[1])
    ridge = np.diag([0.0] + [_RIDGE] * (x.shape[1] - 1))[np.ix_(free, free)]
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x[:, free].T @ (y - p) - ridge @ beta[free]
        beta[free] += np.linalg.solve((x[:, free] * (p * (1 - p))[:, None]).T @ x[:, free] + ridge, gradient)
    return beta


def _matrix(given: Sequence[ConfidenceExample]) -> "NDArray[np.float64]":
    return np.array([[1.0, *feature_values(example.features).values()] for example in given])


def certain_from(confidence: ConfidenceModel, given: Sequence[ConfidenceExample], max_error: float) -> float:
    """The lowest probability from which at most the share `max_error` of the plates is wrong."""
    ranked = sorted(((confidence.probability(e.features), e.right) for e in given if e.corroborated), reverse=True)
    wrong, threshold = 0, 0.999
    for count, (probability, right) in enumerate(ranked, 1):
        wrong += not right
        if wrong <= max_error * count:
            threshold = probability
    return round(min(0.999, max(_LEAST_CERTAIN, threshold)), 4)


def main() -> None:
    args = _arguments()
    left_out = frozenset(args.leave_out.read_text(encoding="utf-8").split()) if args.leave_out else frozenset()
    pictures = [picture for folder in args.folders for picture in pictures_of(folder, args.limit)]
    pictures += [picture for table in args.crops for picture in further_crops(table, left_out, args.limit)]
    plates = list(read_plates(pictures, open_engines(DetectionSettings()).readers, datetime.now(UTC)))
    folds = [_fit([e for p in plates if p.fold != fold for e in p.examples], args.promise, "") for fold in range(_FOLDS)]
    rows = [_cross_validated(source, [p for p in plates if p.source == source], folds) for source in sorted({p.source for p in plates})]
    rows.append(_cross_validated("all", plates, folds))
    show(f"Cross-validation, {len(plates)} plates, maximum error {args.promise:.1%}", rows)
    confidence = _fit([e for p in plates for e in p.examples], args.promise, f"{len(plates)} plates, {datetime.now(UTC):%Y-%m-%d}")
    if args.out:
        args.out.write_text(_as_yaml(confidence), encoding="utf-8")
    save(args.json, {"held_back": rows, "coefficients": confidence.coefficients, "certain_from": confidence.certain_from, "n": len(plates)})


def _arguments() -> argparse.Namespace:
    arguments = parser("plate_confidence", __doc__)
    arguments.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    arguments.add_argument("--crops", type=Path, action="append", default=[], metavar="FILE", help="a further table of crops")
    arguments.add_argument("--leave-out", type=Path, metavar="FILE", help="file names of crops in --crops to leave out, one a line")
    arguments.add_argument(
        "--promise", type=float, default=0.001, metavar="SHARE", help="maximum share of certain plates that is wrong (default: %(default)s)"
    )
    arguments.add_argument("--limit", type=int, metavar="N", help="use only N pictures of each table, spread evenly")
    arguments.add_argument("--out", type=Path, metavar="FILE", help="write the coefficients as etle reads them")
    return arguments.parse_args()


def _fit(given: Sequence[ConfidenceExample], max_error: float, measured_on: str) -> ConfidenceModel:
    draft = ConfidenceModel(measured_on=measured_on, certain_from=0.9, coefficients=fitted(given))
    threshold = certain_from(draft, given, max_error)
    return ConfidenceModel(measured_on=measured_on, certain_from=threshold, coefficients=draft.coefficients)


def _cross_validated(source: str, plates: Sequence[ReadPlate], folds: Sequence[ConfidenceModel]) -> dict[str, object]:
    """Each plate is judged by the model that was fitted without it."""
    judged = [judge(plate, folds[plate.fold]) for plate in plates]
    certain = [right for _, right, is_certain in judged if is_certain]
    error = Proportion(len(certain) - sum(certain), len(certain))
    return {
        "table": source,
        "plates": len(plates),
        "certain": len(certain) / len(plates),
        "of these wrong": error.count,
        "at most (95 %)": error.interval[1] if error.interval else float("nan"),
        "predicted": sum(probability for probability, _, _ in judged) / len(plates),
        "right": sum(right for _, right, _ in judged) / len(plates),
        "coverage at 1 % error": coverage_at(0.01, error_curve([(probability, right) for probability, right, _ in judged])),
    }


def judge(plate: ReadPlate, confidence: ConfidenceModel) -> tuple[float, bool, bool]:
    """Probability, whether the text is right, and whether the plate is certain, as the pipeline decides it: a second crop is read only
    if the first does not make it certain."""
    final = (0.0, False, False)
    for example in (plate.first, plate.second):
        if example:
            probability = confidence.probability(example.features)
            final = (probability, example.right, example.corroborated and probability >= confidence.certain_from)
        if final[2]:
            break
    return final


def _as_yaml(confidence: ConfidenceModel) -> str:
    heading = (
        "# Probability that a voted plate is right: a logistic regression over the features in pipeline/plates/confidence.py.\n"
        "# Fitted and measured by: python -m benchmark.plate_confidence DIR... --out configs/plates/confidence.yaml (docs/plates.md)\n"
    )
    document = {"measured_on": confidence.measured_on, "certain_from": confidence.certain_from, "coefficients": confidence.coefficients}
    return heading + yaml.safe_dump(document, sort_keys=False)


if __name__ == "__main__":
    main()
