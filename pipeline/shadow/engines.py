"""Engines that answer with the current model and, on a share of the calls, compare a second model's answer with it.

The answer is always the current model's, its name and digest are those of the current model, and an error of the shadow model is a line in
the report: so a violation, its id and its provenance are the same with and without a shadow.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from etle.config.site import DetectionSettings
from etle.geometry import iou
from etle.protocols import LampReader, PlateDetector, PlateReader, VehicleDetector
from etle.types import Box, Detection, Lamp, LocatedHead, PlateBox, PlateRead
from pipeline.assembly import Engines
from pipeline.shadow.report import ShadowComparison, ShadowOutcome, ShadowReport

if TYPE_CHECKING:
    from etle.types import Image

_SAME_IOU = 0.5
_MIN_SCORE = 0.25
"""Boxes of a lower score are compared by nobody: they start no track and rarely give a plate."""

Detail = dict[str, str | int]
_Engine = VehicleDetector | PlateDetector | PlateReader | LampReader
EngineT = TypeVar("EngineT", VehicleDetector, PlateDetector, PlateReader, LampReader)
FoundT = TypeVar("FoundT", Detection, PlateBox)


def with_shadow(engines: Engines, settings: DetectionSettings) -> Engines:
    """The engines of a site, wrapped where its `detect.shadow` names another model. Raises WeightsMissing, WeightsError, ConfigError."""
    shadow = settings.shadow
    if shadow is None:
        return engines
    from models.plates.detector import open_plate_detector
    from models.signals.head_reader import SignalHeadReader
    from models.vehicles import open_vehicle_detector
    from models.weights.locate import weights_file
    from pipeline.assembly import open_reader

    report, threads = ShadowReport(shadow.report), settings.threads
    if shadow.weights:
        other = open_vehicle_detector(shadow.engine, weights_file(shadow.weights), threads=threads)
        engines = replace(
            engines, detector=ShadowedVehicleDetector(engines.detector, EngineComparer(other, share=shadow.share, report=report))
        )
    if shadow.finder_weights:
        finder = open_plate_detector(weights_file(shadow.finder_weights), threads=threads)
        engines = replace(
            engines, plate_detector=ShadowedPlateDetector(engines.plate_detector, EngineComparer(finder, share=shadow.share, report=report))
        )
    if shadow.reader_weights:
        reader = open_reader("tnkb", settings.model_copy(update={"reader_weights": shadow.reader_weights}))
        comparer = EngineComparer(reader, share=shadow.share, report=report)
        readers = tuple(ShadowedPlateReader(each, comparer) if each.name == reader.name else each for each in engines.readers)
        engines = replace(engines, readers=readers)
    if shadow.lamp_weights:
        lamps = SignalHeadReader(weights_file(shadow.lamp_weights))
        engines = replace(engines, lamps=ShadowedLampReader(engines.lamps, EngineComparer(lamps, share=shadow.share, report=report)))
    return engines


class EngineComparer(Generic[EngineT]):
    """Decides which calls are compared, spread evenly, and reports what they give."""

    def __init__(self, engine: EngineT, *, share: float, report: ShadowReport) -> None:
        self.engine: EngineT = engine
        self._share = share
        self._report = report
        self._calls = 0

    def compare(self, kind: str, current: _Engine, compare: Callable[[EngineT], Sequence[tuple[bool, Detail]]]) -> None:
        """`compare` runs the shadow model and tells for each result whether it is the same, and what to report."""
        self._calls += 1
        if int(self._calls * self._share) == int((self._calls - 1) * self._share):
            return
        try:
            compared = [(ShadowOutcome.SAME if same else ShadowOutcome.DIFFERENT, detail) for same, detail in compare(self.engine)]
        except Exception as error:  # noqa: BLE001 - whatever a model on trial raises must not reach live traffic
            compared = [(ShadowOutcome.FAILED, {"error": f"{type(error).__name__}: {error}"})]
        for outcome, detail in compared:
            self._report.add(
                ShadowComparison(
                    kind=kind,
                    current=current.name,
                    shadow=self.engine.name,
                    shadow_digest=self.engine.digest,
                    outcome=outcome,
                    detail=detail,
                )
            )


class ShadowedVehicleDetector:
    def __init__(self, current: VehicleDetector, comparer: EngineComparer[VehicleDetector]) -> None:
        self.name, self.digest = current.name, current.digest
        self._current, self._comparer = current, comparer

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        found = self._current.detect(images)
        self._comparer.compare("vehicles", self, lambda shadow: _compared(found, shadow.detect(images), _vehicle_name))
        return found

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        found = self._current.detect_part(image, part, zoom)
        self._comparer.compare("vehicles", self, lambda shadow: _compared([found], [shadow.detect_part(image, part, zoom)], _vehicle_name))
        return found


class ShadowedPlateDetector:
    def __init__(self, current: PlateDetector, comparer: EngineComparer[PlateDetector]) -> None:
        self.name, self.digest = current.name, current.digest
        self._current, self._comparer = current, comparer

    def detect_crops(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        found = self._current.detect_crops(images)
        self._comparer.compare("plates", self, lambda shadow: _compared(found, shadow.detect_crops(images), _plate_name))
        return found

    def detect_frames(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        found = self._current.detect_frames(images)
        self._comparer.compare("plates", self, lambda shadow: _compared(found, shadow.detect_frames(images), _plate_name))
        return found


class ShadowedPlateReader:
    def __init__(self, current: PlateReader, comparer: EngineComparer[PlateReader]) -> None:
        self.name, self.digest = current.name, current.digest
        self._current, self._comparer = current, comparer

    def read(self, crops: "Sequence[Image]") -> Sequence[PlateRead]:
        reads = self._current.read(crops)

        def compare(shadow: PlateReader) -> list[tuple[bool, Detail]]:
            pairs = zip(reads, shadow.read(crops), strict=True)
            return [(current.text == other.text, {"current": current.text, "shadow": other.text}) for current, other in pairs]

        self._comparer.compare("text", self, compare)
        return reads


class ShadowedLampReader:
    def __init__(self, current: LampReader, comparer: EngineComparer[LampReader]) -> None:
        self.name, self.digest = current.name, current.digest
        self._current, self._comparer = current, comparer

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        lamp, score = self._current.read(image, head, order)
        self._comparer.compare("lamp", self, lambda shadow: [_compared_lamps(lamp, shadow.read(image, head, order)[0])])
        return lamp, score

    def locate(self, image: "Image", head: Box, order: Sequence[Lamp]) -> LocatedHead:
        located = self._current.locate(image, head, order)
        self._comparer.compare("lamp", self, lambda shadow: [_compared_lamps(located.lamp, shadow.locate(image, head, order).lamp)])
        return located


def _compared_lamps(current: Lamp, shadow: Lamp) -> tuple[bool, Detail]:
    return current is shadow, {"current": current.value, "shadow": shadow.value}


def _compared(
    current: Sequence[Sequence[FoundT]], shadow: Sequence[Sequence[FoundT]], name_of: Callable[[FoundT], str]
) -> list[tuple[bool, Detail]]:
    """For each picture: boxes that both models found with the same name, and those that only one did."""
    return [_compared_boxes(ours, theirs, name_of) for ours, theirs in zip(current, shadow, strict=True)]


def _compared_boxes(current: Sequence[FoundT], shadow: Sequence[FoundT], name_of: Callable[[FoundT], str]) -> tuple[bool, Detail]:
    left = [found for found in shadow if found.score >= _MIN_SCORE]
    both, renamed, missing = 0, 0, 0
    for found in (found for found in current if found.score >= _MIN_SCORE):
        partner = max(left, key=lambda other: iou(found.box, other.box), default=None)
        if partner is None or iou(found.box, partner.box) < _SAME_IOU:
            missing += 1
            continue
        left.remove(partner)
        both += 1
        renamed += name_of(found) != name_of(partner)
    detail: Detail = {"both": both, "other_class": renamed, "only_current": missing, "only_shadow": len(left)}
    return not (missing or left or renamed), detail


def _vehicle_name(found: Detection) -> str:
    return found.vehicle.value


def _plate_name(found: PlateBox) -> str:
    return "plate"
