"""Fits the probability that a voted plate is right to plates whose text is known, and sets from when it counts as certain.

    python -m benchmark.plate_confidence DIR [--promise 0.002] [--out configs/plates/confidence.yaml] [--json FILE]

DIR is laid out as for `etle evaluate plates`: plates_full.csv (read in their true boxes), plate_crops.csv, or both. Every plate is read
with `tnkb` and `ppocr` together and by each alone, so that the probability of a plate that only one could read is learned, too. Half of
the plates, by turns, are held back, and the figures printed are those of the half that a fit has not seen.
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
from pipeline.evaluation.dataset import Dataset, load_truth
from pipeline.evaluation.pictures import load
from pipeline.evaluation.statistics import Share, coverage_at, error_curve
from pipeline.plates.confidence import ConfidenceFeatures, ConfidenceModel, as_numbers
from pipeline.plates.photo import read_box, read_crop
from pipeline.plates.voting import LEAST_READS, best_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = ("constant", *(field.name for field in fields(ConfidenceFeatures)))
_RIDGE = 1.0
"""Keeps coefficients small where a few hundred plates say little."""
_STEPS = 50


@dataclass(frozen=True, slots=True)
class ConfidenceExample:
    signs: ConfidenceFeatures
    right: bool
    several: bool
    """Whether there were enough reads that it may be certain at all."""


def examples(truth: Dataset, readers: Sequence[PlateReader], at: datetime) -> Iterator[tuple[ConfidenceExample, ...]]:
    """For each plate: by all readers together, then by each."""
    for number, (true, sightings) in enumerate(_read(truth, readers, at), 1):
        if number % 100 == 0:
            sys.stderr.write(f"{number} plates\n")
        alone = [[s for s in sightings if s.read.reader == reader.name] for reader in readers]
        yield tuple(example for some in (sightings, *alone) if (example := _example(true, some)))


def _read(truth: Dataset, readers: Sequence[PlateReader], at: datetime) -> Iterator[tuple[str, tuple[PlateSighting, ...]]]:
    for picture in truth.photos or ():
        image = load(picture.path)
        for plate in picture.plates:
            if plate.box and plate.text:
                yield plate.text, read_box(image, plate.box, readers, at).sightings
    for picture in truth.crops or ():
        if picture.plates[0].text:
            yield picture.plates[0].text, read_crop(load(picture.path), readers, at).sightings


def _example(true: str, sightings: Sequence[PlateSighting]) -> ConfidenceExample | None:
    best = best_text(sightings)
    if best is None:
        return None
    text, signs = best
    return ConfidenceExample(signs, text == true, len({s.read.reader for s in sightings if s.read.text == text}) >= LEAST_READS)


def fitted(given: Sequence[ConfidenceExample]) -> dict[str, float]:
    """Maximum likelihood with a ridge, by Newton's method. Nothing that speaks for a text may count against it: no sign is negative."""
    x, y = _matrix(given), np.array([example.right for example in given], float)
    held = np.zeros(len(_NAMES), bool)
    while True:
        beta = _newton(x, y, held)
        wrong = (beta[1:] < 0) & ~held[1:]
        if not wrong.any():
            return {name: round(float(value), 4) for name, value in zip(_NAMES, beta, strict=True)}
        held[1:] |= wrong


def _newton(x: "NDArray[np.float64]", y: "NDArray[np.float64]", held: "NDArray[np.bool_]") -> "NDArray[np.float64]":
    free = ~held
    beta = np.zeros(x.shape[1])
    ridge = np.diag([0.0] + [_RIDGE] * (x.shape[1] - 1))[np.ix_(free, free)]
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x[:, free].T @ (y - p) - ridge @ beta[free]
        beta[free] += np.linalg.solve((x[:, free] * (p * (1 - p))[:, None]).T @ x[:, free] + ridge, gradient)
    return beta


def _matrix(given: Sequence[ConfidenceExample]) -> "NDArray[np.float64]":
    return np.array([[1.0, *as_numbers(example.signs).values()] for example in given])


def certain_from(confidence: ConfidenceModel, given: Sequence[ConfidenceExample], promise: float) -> float:
    """The least probability above which at most that share of plates is wrong."""
    ranked = sorted(((confidence.probability(e.signs), e.right) for e in given if e.several), reverse=True)
    wrong, least = 0, 0.999
    for count, (probability, right) in enumerate(ranked, 1):
        wrong += not right
        if wrong <= promise * count:
            least = probability
    return round(min(0.999, max(0.5, least)), 4)


def main() -> None:
    arguments = parser("plate_confidence", __doc__)
    arguments.add_argument("folder", type=Path, metavar="DIR")
    arguments.add_argument("--promise", type=float, default=0.002, metavar="SHARE", help="of certain plates wrong (default: %(default)s)")
    arguments.add_argument("--limit", type=int, metavar="N", help="only N pictures of each table, spread evenly")
    arguments.add_argument("--out", type=Path, metavar="FILE", help="write the table that etle reads")
    args = arguments.parse_args()
    engines = open_engines(DetectionSettings())
    plates = list(examples(load_truth(args.folder, args.limit), engines.readers, datetime.now(UTC)))
    halves = [[e for i, group in enumerate(plates) if i % 2 == half for e in group] for half in (0, 1)]
    told = [_held_back(halves[half], halves[1 - half], args.promise) for half in (0, 1)]
    show(f"Held back, {len(plates)} plates, promised error {args.promise:.1%}", told)
    everything = [e for group in plates for e in group]
    confidence = _confidence(everything, args.promise, f"{len(plates)} plates of {args.folder.name}, {datetime.now(UTC):%Y-%m-%d}")
    if args.out:
        args.out.write_text(_as_yaml(confidence), encoding="utf-8")
    save(args.json, {"held_back": told, "coefficients": confidence.coefficients, "certain_from": confidence.certain_from, "n": len(plates)})


def _confidence(given: Sequence[ConfidenceExample], promise: float, measured_on: str) -> ConfidenceModel:
    draft = ConfidenceModel(measured_on=measured_on, certain_from=0.9, coefficients=fitted(given))
    least = certain_from(draft, given, promise)
    return ConfidenceModel(measured_on=measured_on, certain_from=least, coefficients=draft.coefficients)


def _held_back(seen: Sequence[ConfidenceExample], unseen: Sequence[ConfidenceExample], promise: float) -> dict[str, object]:
    confidence = _confidence(seen, promise, "")
    judged = [(confidence.probability(e.signs), e.right) for e in unseen if e.several]
    certain = [right for probability, right in judged if probability >= confidence.certain_from]
    error = Share(len(certain) - sum(certain), len(certain))
    return {
        "reads": len(judged),
        "certain": len(certain) / len(judged),
        "of these wrong": error.right,
        "at most (95 %)": error.interval[1] if error.interval else float("nan"),
        "coverage at 1 % error": coverage_at(0.01, error_curve(judged)),
    }


def _as_yaml(confidence: ConfidenceModel) -> str:
    heading = (
        "# How probable it is that a voted plate is wholly right: a logistic regression over the signs in pipeline/plates/confidence.py.\n"
        "# Fitted and measured by: python -m benchmark.plate_confidence DIR --out configs/plates/confidence.yaml\n"
    )
    told = {"measured_on": confidence.measured_on, "certain_from": confidence.certain_from, "coefficients": confidence.coefficients}
    return heading + yaml.safe_dump(told, sort_keys=False)


if __name__ == "__main__":
    main()
