"""An open door for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from porch import Porch


@pytest.fixture
def porch(tmp_path: Path) -> Iterator[Porch]:
    porch = Porch(tmp_path)
    yield porch
    porch.close()
