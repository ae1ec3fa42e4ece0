"""A checkpoint belongs to what was looked at, and not to a name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etle.config.site import Site
from etle.types import CameraId
from ingest.delivery.positions import SourcePositionFile


def site_of(source: dict[str, Any]) -> Site:
    return Site.model_validate({"site": "tes", "cameras": [{"id": "a", "view": "rear", "source": source, "frame_size": [64, 48]}]})


def name_of(source: dict[str, Any]) -> str:
    site = site_of(source)
    return site.stream_name(site.cameras[0])


def earlier_of(source: dict[str, Any]) -> list[str]:
    site = site_of(source)
    return list(site.earlier_stream_names(site.cameras[0]))


def written(path: Path, content: bytes, at_s: int = 1_800_000_000) -> Path:
    path.write_bytes(content)
    os.utime(path, (at_s, at_s))
    return path


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param(lambda data: data, True, id="the same"),
        pytest.param(lambda data: b"x" + data[1:], False, id="another beginning"),
        pytest.param(lambda data: data[:-1] + b"x", False, id="another end"),
        pytest.param(lambda data: data[: len(data) // 2] + bytes(100_000) + data[len(data) // 2 + 100_000 :], False, id="another middle"),
        pytest.param(lambda data: data + b"x", False, id="longer"),
    ],
)
def test_a_file_under_the_same_name_is_known_by_its_content(tmp_path: Path, change: Callable[[bytes], bytes], same: bool) -> None:
    data = bytes(range(1, 256)) * 12_000
    before = name_of({"file": written(tmp_path / "a.mp4", data)})
    after = name_of({"file": written(tmp_path / "a.mp4", change(data))})
    assert (after == before) is same


def test_a_film_of_the_same_size_and_the_same_samples_is_known_by_its_time(tmp_path: Path) -> None:
    before = name_of({"file": written(tmp_path / "a.mp4", b"film")})
    assert name_of({"file": written(tmp_path / "a.mp4", b"film", at_s=1_800_086_400)}) != before


def test_a_folder_that_was_emptied_and_refilled_is_another_one(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"2026-11-23_{number}.jpg", b"a")
    before = name_of({"folder": tmp_path})
    for number in range(3):
        (tmp_path / f"2026-11-23_{number}.jpg").unlink()
    for number in range(5):
        written(tmp_path / f"2026-11-24_{number}.jpg", b"a")
    assert name_of({"folder": tmp_path}) != before
    assert before not in earlier_of({"folder": tmp_path})


@pytest.mark.parametrize(
    ("added", "continues"),
    [
        pytest.param(["4.jpg", "5.jpg"], True, id="behind the others"),
        pytest.param(["2a.jpg"], False, id="between the others, where nobody would look at it"),
        pytest.param(["0.jpg"], False, id="before the others"),
        pytest.param(["notes.txt", "._1.jpg"], True, id="no picture"),
    ],
)
def test_a_folder_to_which_pictures_are_added(tmp_path: Path, added: list[str], continues: bool) -> None:
    for number in range(1, 4):
        written(tmp_path / f"{number}.jpg", b"a")
    before = name_of({"folder": tmp_path})
    for name in added:
        written(tmp_path / name, b"b")
    assert (before in [name_of({"folder": tmp_path}), *earlier_of({"folder": tmp_path})]) is continues


def test_a_gateway_continues_a_folder_that_grew_and_begins_one_that_was_refilled(tmp_path: Path) -> None:
    first = SourcePositionFile(tmp_path, CameraId("a"), "three pictures")
    first.advance(2)
    first.save({})
    grown = SourcePositionFile(tmp_path, CameraId("a"), "five pictures", iter(["four pictures", "three pictures"]))
    assert (grown.position.after, grown.position.base) == (2, 0)
    grown.advance(4)
    grown.save({})
    refilled = SourcePositionFile(tmp_path, CameraId("a"), "others", iter(["others before"]))
    assert (refilled.position.after, refilled.position.base) == (None, 5)
