"""One answer out of several looks at the same picture: what more than one look has found is surer than each of them.

Boxes that overlap are one plate. Its box is their mean, weighted by their scores (weighted boxes fusion, Solovyev et al. 2021); its score
is the probability that not all of the looks that saw it erred: 1 - (1 - a)(1 - b)... A look counts once for each plate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from etle.geometry import overlap
from etle.types import Box, PlateBox

_SAME_PLATE = 0.3
"""Intersection over union from which two boxes are of one plate: plates lie apart."""


def merged(looks: Sequence[Sequence[PlateBox]]) -> tuple[PlateBox, ...]:
    """Best first."""
    seen = sorted(((plate, number) for number, look in enumerate(looks) for plate in look), key=lambda each: -each[0].score)
    clusters: list[_Cluster] = []
    for plate, number in seen:
        near = max(clusters, key=lambda cluster: overlap(cluster.box, plate.box), default=None)
        if near is None or overlap(near.box, plate.box) < _SAME_PLATE:
            clusters.append(near := _Cluster(plate.box))
        near.take(plate, number)
    return _apart([PlateBox(box=cluster.box, score=cluster.score) for cluster in clusters])


def _apart(plates: Sequence[PlateBox]) -> tuple[PlateBox, ...]:
    """Best first, without those that overlap a better one: means can drift onto each other."""
    kept: list[PlateBox] = []
    for plate in sorted(plates, key=lambda plate: -plate.score):
        if all(overlap(plate.box, other.box) < _SAME_PLATE for other in kept):
            kept.append(plate)
    return tuple(kept)


@dataclass(slots=True)
class _Cluster:
    box: Box
    best: dict[int, float] = field(default_factory=dict)
    """The highest score in each look."""
    members: list[PlateBox] = field(default_factory=list)

    def take(self, plate: PlateBox, look: int) -> None:
        self.best[look] = max(self.best.get(look, 0.0), plate.score)
        self.members.append(plate)
        self.box = _mean(self.members)

    @property
    def score(self) -> float:
        missed = 1.0
        for score in self.best.values():
            missed *= 1 - score
        return 1 - missed


def _mean(plates: Sequence[PlateBox]) -> Box:
    """By the roots of the scores: a doubtful look often has the better box."""
    weights = [plate.score**0.5 for plate in plates]
    edges = zip(*(plate.box for plate in plates), strict=True)
    return Box(*(sum(w * edge for w, edge in zip(weights, of_all, strict=True)) / sum(weights) for of_all in edges))
