"""Where pictures and trials of a camera take their frames from."""

from datetime import timedelta
from pathlib import Path

import pytest
from archives import BEGIN, CAMERA, SITE, archive_all, frame

from etle.config.site import Site
from etle.errors import SourceUnavailable
from etle_cli.calibrate.footage import archived_footage, picture_sources, recent_footage


def site(*, archived: bool = True, source: dict[str, object] | None = None) -> Site:
    camera = {"id": CAMERA, "view": "rear", "source": source or {"rtsp": "rtsp://127.0.0.1:9/none"}, "frame_size": [8, 8]}
    return Site.model_validate({"site": SITE, "cameras": [camera], **({"archive": {}} if archived else {})})


def test_of_a_live_camera_the_end_of_its_archive_is_read(tmp_path: Path) -> None:
    archive_all(tmp_path / "archive", [frame(number, float(number)) for number in range(300)])
    given = site()
    source, since = recent_footage(given, given.cameras[0], tmp_path, 30.0)
    assert since == BEGIN + timedelta(seconds=269, microseconds=1)
    sequences = [each.sequence for each in source.frames()]
    assert (sequences[0], sequences[-1]) == (210, 299)  # with a lead-in of a minute
    recorded = picture_sources(given, tmp_path)[CAMERA].recorded
    assert recorded is not None
    assert next(recorded()).sequence == 120


def test_without_an_archive_there_is_none(tmp_path: Path) -> None:
    for given in (site(archived=False), site()):
        assert archived_footage(given, given.cameras[0], tmp_path, 30.0) is None


def test_a_camera_whose_vendor_pushes_says_that_it_has_to_be_archived(tmp_path: Path) -> None:
    camera = {"id": CAMERA, "view": "rear", "source": {"vendor": "v"}, "frame_size": [8, 8]}
    given = Site.model_validate({"site": SITE, "cameras": [camera], "ingest": {"vendors": [{"id": "v", "secret": "x" * 32}]}})
    with pytest.raises(SourceUnavailable, match="archive them"):
        recent_footage(given, given.cameras[0], tmp_path, 5.0)
    assert picture_sources(given, tmp_path)[CAMERA].now is None
