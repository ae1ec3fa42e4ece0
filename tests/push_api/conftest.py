"""An open push API for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from push_fixture import InProcessApi


@pytest.fixture
def push_api(tmp_path: Path) -> Iterator[InProcessApi]:
    api = InProcessApi(tmp_path)
    yield api
    api.close()
