"""What the vehicle detector needs to compute in 8-bit integers, as `python -m benchmark.vehicle_scales` measures it."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.runtime.quantized import Rounding
from models.weights.locate import PACKAGED, digest_of_file

ROUNDING: Final = PACKAGED / "vehicles-int8.json"


def rounding_of(weights: Path) -> Rounding | None:
    """None for other weights than those on which it was measured. Raises FileNotFoundError."""
    document = _document()
    if not weights.is_file() or digest_of_file(weights) != document["weights"]:
        return None
    scales = {name: (scale, zero_point) for name, (scale, zero_point) in document["scales"].items()}
    return Rounding(scales=scales, offsets=document["offsets"])


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ROUNDING.read_text(encoding="utf-8"))
    return document
