"""Accuracy and CPU time of other OCR engines on the same crops in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.plates.readers.baselines import BaselineReader
from pipeline.evaluation.costs import Meter
from pipeline.evaluation.dataset import sample_evenly
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import Outcomes, PlateCase, ProgressCallback
from pipeline.evaluation.statistics import Proportion
from pipeline.evaluation.tracks import TrackCost
from pipeline.plates.crops import Margin, crop

if TYPE_CHECKING:
    from etle.types import Image

_PEER_MARGIN = Margin(0.04, 0.04)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReader:
    """`given`, `crops`: plates read right, in the true boxes of photos and on the pictures of `plate_crops.csv`."""

    name: str
    given: Proportion
    crops: Proportion
    cpu_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Results of etle and of the other engines on the same plates."""

    ours: PeerReader
    others: tuple[PeerReader, ...]
    track: TrackCost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSample:
    """The plates that all engines read."""

    given: tuple[PlateCase, ...]
    crops: tuple[PlateCase, ...]


def sample(outcomes: Outcomes, max_plates: int) -> PeerSample:
    """At most `max_plates` plates of photos and as many crops, spread evenly."""
    return PeerSample(
        given=sample_evenly([case for photo in outcomes.photos or () for case in photo.cases if case.given], max_plates),
        crops=sample_evenly([case for case in outcomes.crops or () if case.given], max_plates),
    )


def compare(
    plates: PeerSample, peers: Sequence[BaselineReader], etle_ms: float | None, track: TrackCost | None, progress: ProgressCallback
) -> Comparison:
    """`etle_ms`: CPU-ms of all readers of etle on one plate."""
    given, crops = plates.given, plates.crops
    ours = PeerReader(name="etle", given=_right(given), crops=_right(crops), cpu_ms=etle_ms)
    return Comparison(ours=ours, others=tuple(_evaluate(peer, given, crops, progress) for peer in peers), track=track)


def _evaluate(peer: BaselineReader, given: Sequence[PlateCase], crops: Sequence[PlateCase], progress: ProgressCallback) -> PeerReader:
    meter = Meter()
    if first := next(iter((*given, *crops)), None):
        peer.text_of(crop_of(first))  # the first call loads the models and is not measured
    correct = [_reads_right(peer, case, meter) for case in progress((*given, *crops), peer.name)]
    return PeerReader(
        name=peer.name,
        given=Proportion(sum(correct[: len(given)]), len(given)),
        crops=Proportion(sum(correct[len(given) :]), len(crops)),
        cpu_ms=meter.ms_per(meter.pictures),
    )


def _reads_right(peer: BaselineReader, case: PlateCase, meter: Meter) -> bool:
    image = crop_of(case)
    meter.pictures += 1
    with meter:
        text = peer.text_of(image)
    return text == case.truth.text


def crop_of(case: PlateCase) -> "Image":
    """The true box with a narrow margin. The readers of etle get a wider one, because they detect the text lines in it."""
    image = load(case.picture.path)
    return crop(image, case.truth.box, _PEER_MARGIN) if case.truth.box else image


def _right(cases: Sequence[PlateCase]) -> Proportion:
    return Proportion(sum(case.right_given for case in cases), len(cases))
