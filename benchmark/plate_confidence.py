"""Fits the confidence model of voted plates to labelled plates, and the threshold from which a plate is certain.

    python -m benchmark.plate_confidence DIR [--promise 0.002] [--out configs/plates/confidence.yaml] [--json FILE]

DIR has the layout for `etle evaluate plates`: plates_full.csv (read in the true boxes), plate_crops.csv, or both. Each plate is read with
`tnkb` and `ppocr` together and with each alone, so that the model covers plates that only one can read. The printed figures are from
two-fold cross-validation.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from benchmark.report import parser, save, show
from etle.config.site import DetectionSettings
from etle.protocols import PlateReader
from etle.types import PlateSighting
from pipeline.assembly import open_engines
from pipeline.evaluation.dataset import Dataset, load_dataset
from pipeline.evaluation.pictures import load
from pipeline.evaluation.statistics import Proportion, coverage_at, error_curve
from pipeline.plates.confidence import ConfidenceFeatures, ConfidenceModel, feature_values
from pipeline.plates.photo import read_box, read_crop
from pipeline.plates.voting import MIN_READS, best_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = ("constant", *(field.name for field in fields(ConfidenceFeatures)))
_RIDGE = 1.0
"""L2 penalty, because a few hundred plates do not determine all coefficients."""
_STEPS = 50


@dataclass(frozen=True, slots=True)
class ConfidenceExample:
    features: ConfidenceFeatures
    right: bool
    enough_reads: bool
    """Whether there are enough reads for the plate to be certain."""


def examples(dataset: Dataset, readers: Sequence[PlateReader], at: datetime) -> Iterator[tuple[ConfidenceExample, ...]]:
    """For each plate: one example with all readers, then one with each reader."""
    for number, (true, sightings) in enumerate(_read(dataset, readers, at), 1):
        if number % 100 == 0:
            sys.stderr.write(f"{number} plates\n")
        alone = [[s for s in sightings if s.read.reader == reader.name] for reader in readers]
        yield tuple(example for selected in (sightings, *alone) if (example := _example(true, selected)))


def _read(dataset: Dataset, readers: Sequence[PlateReader], at: datetime) -> Iterator[tuple[str, tuple[PlateSighting, ...]]]:
    for picture in dataset.photos or ():
        image = load(picture.path)
        for plate in picture.plates:
            if plate.box and plate.text:
                yield plate.text, read_box(image, plate.box, readers, at).sightings
    for picture in dataset.crops or ():
        if picture.plates[0].text:
            yield picture.plates[0].text, read_crop(load(picture.path), readers, at).sightings


def _example(true: str, sightings: Sequence[PlateSighting]) -> ConfidenceExample | None:
    best = best_text(sightings)
    if best is None:
        return None
    text, features = best
    return ConfidenceExample(features, text == true, len({s.read.reader for s in sightings if s.read.text == text}) >= MIN_READS)


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
    ranked = sorted(((confidence.probability(e.features), e.right) for e in given if e.enough_reads), reverse=True)
    wrong, threshold = 0, 0.999
    for count, (probability, right) in enumerate(ranked, 1):
        wrong += not right
        if wrong <= max_error * count:
            threshold = probability
    return round(min(0.999, max(0.5, threshold)), 4)


def main() -> None:
    arguments = parser("plate_confidence", __doc__)
    arguments.add_argument("folder", type=Path, metavar="DIR")
    arguments.add_argument(
        "--promise", type=float, default=0.002, metavar="SHARE", help="maximum share of certain plates that is wrong (default: %(default)s)"
    )
    arguments.add_argument("--limit", type=int, metavar="N", help="use only N pictures of each table, spread evenly")
    arguments.add_argument("--out", type=Path, metavar="FILE", help="write the coefficients as etle reads them")
    args = arguments.parse_args()
    engines = open_engines(DetectionSettings())
    plates = list(examples(load_dataset(args.folder, args.limit), engines.readers, datetime.now(UTC)))
    halves = [[e for i, group in enumerate(plates) if i % 2 == half for e in group] for half in (0, 1)]
    rows = [_cross_validated(halves[half], halves[1 - half], args.promise) for half in (0, 1)]
    show(f"Cross-validation, {len(plates)} plates, maximum error {args.promise:.1%}", rows)
    all_examples = [e for group in plates for e in group]
    confidence = _fit(all_examples, args.promise, f"{len(plates)} plates of {args.folder.name}, {datetime.now(UTC):%Y-%m-%d}")
    if args.out:
        args.out.write_text(_as_yaml(confidence), encoding="utf-8")
    save(args.json, {"held_back": rows, "coefficients": confidence.coefficients, "certain_from": confidence.certain_from, "n": len(plates)})


def _fit(given: Sequence[ConfidenceExample], max_error: float, measured_on: str) -> ConfidenceModel:
    draft = ConfidenceModel(measured_on=measured_on, certain_from=0.9, coefficients=fitted(given))
    threshold = certain_from(draft, given, max_error)
    return ConfidenceModel(measured_on=measured_on, certain_from=threshold, coefficients=draft.coefficients)


def _cross_validated(seen: Sequence[ConfidenceExample], unseen: Sequence[ConfidenceExample], max_error: float) -> dict[str, object]:
    confidence = _fit(seen, max_error, "")
    predictions = [(confidence.probability(e.features), e.right) for e in unseen if e.enough_reads]
    certain = [right for probability, right in predictions if probability >= confidence.certain_from]
    error = Proportion(len(certain) - sum(certain), len(certain))
    return {
        "reads": len(predictions),
        "certain": len(certain) / len(predictions),
        "of these wrong": error.count,
        "at most (95 %)": error.interval[1] if error.interval else float("nan"),
        "coverage at 1 % error": coverage_at(0.01, error_curve(predictions)),
    }


def _as_yaml(confidence: ConfidenceModel) -> str:
    heading = (
        "# Probability that a voted plate is right: a logistic regression over the features in pipeline/plates/confidence.py.\n"
        "# Fitted and measured by: python -m benchmark.plate_confidence DIR --out configs/plates/confidence.yaml\n"
    )
    document = {"measured_on": confidence.measured_on, "certain_from": confidence.certain_from, "coefficients": confidence.coefficients}
    return heading + yaml.safe_dump(document, sort_keys=False)


if __name__ == "__main__":
    main()
