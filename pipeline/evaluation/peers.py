"""Other readers on the same crops in the same run: how often right, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.plates.readers.baselines import PlainReader
from pipeline.evaluation.costs import Meter
from pipeline.evaluation.dataset import spread
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import Outcomes, PlateCase, ProgressCallback
from pipeline.evaluation.statistics import Share
from pipeline.evaluation.tracks import TrackCost
from pipeline.plates.crops import Margin, cut_out

if TYPE_CHECKING:
    from etle.types import Image

_RIM = Margin(0.04, 0.04)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReader:
    """`given` and `crops` are what it read right, in boxes of photos and of `plate_crops.csv`."""

    name: str
    given: Share
    crops: Share
    cpu_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Ours and theirs, on the same plates."""

    ours: PeerReader
    others: tuple[PeerReader, ...]
    track: TrackCost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSample:
    """Plates of photos, and crops, that all are shown."""

    given: tuple[PlateCase, ...]
    crops: tuple[PlateCase, ...]


def sample(outcomes: Outcomes, most: int) -> PeerSample:
    """At most so many of each, spread evenly."""
    return PeerSample(
        given=spread([case for photo in outcomes.photos or () for case in photo.cases if case.given], most),
        crops=spread([case for case in outcomes.crops or () if case.given], most),
    )


def compare(
    plates: PeerSample, peers: Sequence[PlainReader], ours_ms: float | None, track: TrackCost | None, progress: ProgressCallback
) -> Comparison:
    """`ours_ms`: CPU-ms of all our readers on one plate."""
    given, crops = plates.given, plates.crops
    ours = PeerReader(name="etle", given=_right(given), crops=_right(crops), cpu_ms=ours_ms)
    return Comparison(ours=ours, others=tuple(_of(peer, given, crops, progress) for peer in peers), track=track)


def _of(peer: PlainReader, given: Sequence[PlateCase], crops: Sequence[PlateCase], progress: ProgressCallback) -> PeerReader:
    meter = Meter()
    if first := next(iter((*given, *crops)), None):
        peer.text_of(crop_of(first))  # the first call opens things
    rights = [_reads_right(peer, case, meter) for case in progress((*given, *crops), peer.name)]
    return PeerReader(
        name=peer.name,
        given=Share(sum(rights[: len(given)]), len(given)),
        crops=Share(sum(rights[len(given) :]), len(crops)),
        cpu_ms=meter.ms_over(meter.pictures),
    )


def _reads_right(peer: PlainReader, case: PlateCase, meter: Meter) -> bool:
    crop = crop_of(case)
    meter.pictures += 1
    with meter:
        text = peer.text_of(crop)
    return text == case.truth.text


def crop_of(case: PlateCase) -> "Image":
    """The plate in its true place with a narrow rim: ours are shown more, because they look for the lines in it."""
    image = load(case.picture.path)
    return cut_out(image, case.truth.box, _RIM) if case.truth.box else image


def _right(cases: Sequence[PlateCase]) -> Share:
    return Share(sum(case.right_given for case in cases), len(cases))
