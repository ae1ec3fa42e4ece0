"""Parameters of exhaustive tests: a few run always, all of them with --slow."""

from collections.abc import Iterable
from typing import Any

import pytest


def exhaustive(values: Iterable[Any], *, fast: int = 3) -> list[Any]:
    """The values as parameters; all but `fast` of them, evenly spaced, are marked `slow`."""
    points = list(values)
    kept = {round(i * (len(points) - 1) / max(1, fast - 1)) for i in range(fast)} if fast > 1 else {len(points) // 2}
    return [value if i in kept else pytest.param(value, marks=pytest.mark.slow) for i, value in enumerate(points)]
