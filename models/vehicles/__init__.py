"""Vehicle detectors: a picture in, cars, motorcycles, buses and trucks out."""

from collections.abc import Callable
from pathlib import Path

from etle.errors import ConfigError
from etle.protocols import VehicleDetector
from models.weights.locate import weight


def _onnx(weights: Path | None, threads: int) -> VehicleDetector:
    from models.vehicles.onnx_detector import OnnxVehicleDetector

    return OnnxVehicleDetector(weights or weight("vehicles"), threads=threads)


def _ultralytics(weights: Path | None, threads: int) -> VehicleDetector:
    from models.vehicles.ultralytics_detector import UltralyticsVehicleDetector

    return UltralyticsVehicleDetector(weights or weight("vehicles"), threads=threads)


VEHICLE_DETECTORS: dict[str, Callable[[Path | None, int], VehicleDetector]] = {
    "onnx": _onnx,
    "ultralytics": _ultralytics,
}
"""Each engine by the name that a site file calls it."""


def open_vehicle_detector(engine: str, weights: Path | None = None, *, threads: int = 1) -> VehicleDetector:
    """`weights` None means those of the catalogue.

    Raises ConfigError for an unknown engine, WeightsMissing, WeightsError, MissingExtra.
    """
    if engine not in VEHICLE_DETECTORS:
        raise ConfigError(f"There is no detector engine {engine!r}. There are: {', '.join(VEHICLE_DETECTORS)}")
    return VEHICLE_DETECTORS[engine](weights, threads)
