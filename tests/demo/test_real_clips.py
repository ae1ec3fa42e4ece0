"""Real clips from five cities: the labelled violations are found, and no others."""

import os
from pathlib import Path

import pytest

from benchmark.real_clips.__main__ import measured
from etle.errors import WeightsMissing
from models.weights.locate import weight


@pytest.mark.slow
def test_labelled_crossings_on_red_are_found_and_no_others():
    shared = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared"))
    if not (shared / "data" / "clips").is_dir():
        pytest.skip(f"no real clips: {shared / 'data' / 'clips'} is not there (set ETLE_SHARED)")
    try:
        weight("vehicles"), weight("plate-finder"), weight("ppocrv6-rec")
    except WeightsMissing as error:
        pytest.skip(str(error))
    rows = measured(shared / "data" / "clips")
    assert [(row["clip"], row["right"], row["false"]) for row in rows] == [(row["clip"], row["happened"], 0) for row in rows]
    assert sum(row["happened"] for row in rows) == 7
