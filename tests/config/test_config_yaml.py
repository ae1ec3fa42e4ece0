"""Reading a document strictly: keys that were renamed."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from etle.config.site import load_site
from etle.config.strict_yaml import Section, validate
from etle.errors import ConfigError


class Inner(Section):
    renamed_keys: ClassVar[Mapping[str, str]] = {"boxes": "devices"}
    devices: tuple[str, ...] = ()


class Outer(Section):
    inner: Inner = Inner()


def test_an_old_key_is_read_as_the_new_one_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert validate({"inner": {"boxes": ["a"]}}, Outer, "once.yaml").inner.devices == ("a",)
    assert [record.getMessage() for record in caplog.records] == [
        "once.yaml: the key `boxes` is now called `devices`; the old name will be an error in the next release"
    ]


def test_the_new_key_is_read_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert validate({"inner": {"devices": ["a"]}}, Outer, "new.yaml").inner.devices == ("a",)
    assert not caplog.records


def test_both_keys_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"^both\.yaml: inner: `boxes` is the old name of `devices`, and both are given: remove `boxes`$"):
        validate({"inner": {"boxes": ["a"], "devices": ["a"]}}, Outer, "both.yaml")


def test_the_old_key_is_not_suggested_for_a_misspelt_one() -> None:
    with pytest.raises(ConfigError, match=r"inner\.bokses: unknown key; known keys: devices$"):
        validate({"inner": {"bokses": []}}, Outer, "misspelt.yaml")


def test_the_devices_of_a_site_file_may_still_be_called_boxes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: tes\ncameras:\n  - {id: masuk, view: rear, source: {file: a.mp4}, frame_size: [64, 48]}\n"
        "ingest:\n  boxes:\n    - {id: box-1, public_key: box-1.pem}\n"
    )
    assert load_site(path, {}).ingest.devices[0].public_key == tmp_path / "box-1.pem"
    assert f"{path}: the key `boxes` is now called `devices`" in caplog.text
