"""Vehicle detectors: an image in; its cars, motorcycles, buses and trucks out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import VehicleDetector
from models.weights.locate import weight


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleDetectorEngine:
    """A vehicle detector that `detect.engine` of a site file can name."""

    name: str
    open: Callable[[Path, int], VehicleDetector]
    """Takes the file of weights and the number of threads."""
    weights: str
    """Name in the catalogue of the weights that are used where the site file names none."""


def _open_onnx(weights: Path, threads: int) -> VehicleDetector:
    from models.vehicles.onnx_detector import OnnxVehicleDetector
    from models.vehicles.rounding import rounding_of

    rounding = rounding_of(weights)
    if rounding is None:  # other weights than those of the catalogue
        return OnnxVehicleDetector(weights, threads=threads)
    return OnnxVehicleDetector(weights, threads=threads, name="yolov8n-vehicles-int8", rounding=rounding)


def _open_onnx_float(weights: Path, threads: int) -> VehicleDetector:
    from models.vehicles.onnx_detector import OnnxVehicleDetector

    return OnnxVehicleDetector(weights, threads=threads)


def _open_ultralytics(weights: Path, threads: int) -> VehicleDetector:
    from models.vehicles.ultralytics_detector import UltralyticsVehicleDetector

    return UltralyticsVehicleDetector(weights, threads=threads)


VEHICLE_DETECTORS = {
    engine.name: engine
    for engine in (
        VehicleDetectorEngine(name="onnx", open=_open_onnx, weights="vehicles"),
        VehicleDetectorEngine(name="onnx-float", open=_open_onnx_float, weights="vehicles"),
        VehicleDetectorEngine(name="ultralytics", open=_open_ultralytics, weights="vehicles"),
    )
}
"""By name. A new engine is one entry here and its module."""


def vehicle_detector_engine(name: str) -> VehicleDetectorEngine:
    """Raises ConfigError that lists the known names."""
    if name not in VEHICLE_DETECTORS:
        raise ConfigError(f"There is no detector engine {name!r}. There are: {', '.join(VEHICLE_DETECTORS)}")
    return VEHICLE_DETECTORS[name]


def open_vehicle_detector(engine: str, weights: Path | None = None, *, threads: int = 1) -> VehicleDetector:
    """`weights` None opens those of the catalogue.

    Raises ConfigError for an unknown engine, WeightsMissing, WeightsError, MissingExtra.
    """
    known = vehicle_detector_engine(engine)
    return known.open(weights or weight(known.weights), threads)
