"""Real clips from six cities: the labelled violations are found with tight signal boxes and larger ones, and no others."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from benchmark.real_clips.__main__ import measured
from etle.clock import SystemClock
from etle.config.site import Site
from etle.errors import WeightsMissing
from etle.types import Frame
from ingest.sources.provider import SiteSources
from models.weights.locate import weight
from pipeline.evaluation.clips import evaluate_clips

T = TypeVar("T")


@pytest.fixture
def data() -> Path:
    folder = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared")) / "data"
    if not (folder / "clips").is_dir():
        pytest.skip(f"no real clips: {folder / 'clips'} is not there (set ETLE_SHARED)")
    try:
        weight("vehicles"), weight("plate-finder"), weight("ppocrv6-rec")
    except WeightsMissing as error:
        pytest.skip(str(error))
    return folder


def read(site: Site) -> Iterable[Frame]:
    return SiteSources(site, SystemClock()).open(site.cameras[0]).frames()


def in_turn(items: Sequence[T], description: str) -> Iterator[T]:
    return iter(items)


@pytest.mark.slow
def test_labelled_crossings_on_red_are_found_and_no_others(data):
    report = evaluate_clips(data, (), read, in_turn)
    assert [(row.clip, row.hit, row.false) for row in report.variants["tight"]] == [
        (row.clip, row.must, 0) for row in report.variants["tight"]
    ]
    assert sum(row.must for row in report.variants["tight"]) == 10
    assert [row.clip for row in report.variants["larger_15"] if row.false] == []


@pytest.mark.slow
def test_lawful_traffic_is_not_reported(data):
    assert [(row["clip"], row["false"]) for row in measured(data / "clips")] == [("medan", 0), ("shenzhen", 0)]
