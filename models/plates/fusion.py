"""Fuses the plates that several detection passes found in the same image.

Overlapping boxes are one plate. Its box is their score-weighted mean (weighted boxes fusion, Solovyev et al. 2021). Its score is
1 - (1 - a)(1 - b)..., the probability that not all passes erred, with the highest score of each pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from etle.geometry import iou
from etle.types import Box, PlateBox

MIN_SCORE = 0.35
"""Minimum score of a plate that is read, after fusion of all passes. Of 275 plates of 40 pixels and more, mostly on motorcycles from the
front, 257 are found with 0.35 and 0.4, and 255 with 0.45; these 234 photos have 1567, 1340 and 1141 detections to read."""
_SAME_PLATE_IOU = 0.4
"""Minimum intersection over union of two boxes of one plate; different plates do not overlap this much."""


def confident(plates: Sequence[PlateBox]) -> tuple[PlateBox, ...]:
    """Those with a score that is high enough for them to be read."""
    return tuple(plate for plate in plates if plate.score >= MIN_SCORE)


def fuse(passes: Sequence[Sequence[PlateBox]]) -> tuple[PlateBox, ...]:
    """Highest score first."""
    found = sorted(((plate, number) for number, plates in enumerate(passes) for plate in plates), key=lambda each: -each[0].score)
    clusters: list[_Cluster] = []
    for plate, number in found:
        nearest = max(clusters, key=lambda cluster: iou(cluster.box, plate.box), default=None)
        if nearest is None or iou(nearest.box, plate.box) < _SAME_PLATE_IOU:
            clusters.append(nearest := _Cluster(plate.box))
        nearest.add(plate, number)
    return without_overlaps([PlateBox(box=cluster.box, score=cluster.score) for cluster in clusters])


def without_overlaps(plates: Sequence[PlateBox]) -> tuple[PlateBox, ...]:
    """Highest score first; drops plates that overlap one with a higher score, because mean boxes can move onto each other."""
    kept: list[PlateBox] = []
    for plate in sorted(plates, key=lambda plate: -plate.score):
        if all(iou(plate.box, other.box) < _SAME_PLATE_IOU for other in kept):
            kept.append(plate)
    return tuple(kept)


@dataclass(slots=True)
class _Cluster:
    box: Box
    best: dict[int, float] = field(default_factory=dict)
    """The highest score in each pass, by the number of the pass."""
    members: list[PlateBox] = field(default_factory=list)

    def add(self, plate: PlateBox, number: int) -> None:
        self.best[number] = max(self.best.get(number, 0.0), plate.score)
        self.members.append(plate)
        self.box = _mean_box(self.members)

    @property
    def score(self) -> float:
        missed = 1.0
        for score in self.best.values():
            missed *= 1 - score
        return 1 - missed


def _mean_box(plates: Sequence[PlateBox]) -> Box:
    """Mean weighted by the square root of the score: a detection with a low score often has the more accurate box."""
    weights = [plate.score**0.5 for plate in plates]
    edges = zip(*(plate.box for plate in plates), strict=True)
    return Box(*(sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights) for values in edges))
