"""Sources of cameras and vendors in a site file."""

from importlib import import_module

import pytest

from etle.config.site import CameraSettings, Site
from etle.config.sources import SOURCE_KINDS, Hours, RtspSourceSettings
from etle.config.strict_yaml import validate
from etle.errors import ConfigError
from etle.types import Quality


def camera(**source: object) -> dict[str, object]:
    return {"id": "masuk", "view": "rear", "frame_size": [640, 480], "source": source}


def test_every_kind_of_source_names_a_function_that_opens_it():
    openers = [section.opener.split(":") for section in SOURCE_KINDS.values() if section.opener]
    assert len(openers) == len(SOURCE_KINDS) - 1, "a vendor's device pushes; all others are opened"
    assert all(callable(getattr(import_module(module), function)) for module, function in openers)


@pytest.mark.parametrize(
    ("source", "suffix", "description"),
    [
        pytest.param({"folder": "/srv/a", "fps": 5}, "//srv/a//None/5.0", "/srv/a", id="folder"),
        pytest.param({"file": "/srv/missing.mp4"}, "/missing.mp4//None/None", "/srv/missing.mp4", id="missing file"),
        pytest.param({"rtsp": "rtsp://admin:s3cret@camera/1"}, "", "rtsp://camera/1", id="camera"),
        pytest.param({"vendor": "acme"}, "", "vendor 'acme'", id="vendor"),
    ],
)
def test_checkpoint_names_are_stable_and_descriptions_have_no_password(source, suffix, description):
    described = validate(camera(**source), CameraSettings, "site.yaml").source
    assert (described.stream_suffix(), described.description) == (suffix, description)
    assert described.expected_frames() is None


def test_a_camera_of_a_vendor_needs_that_vendor():
    site = {"site": "simpang", "cameras": [camera(vendor="acme")]}
    with pytest.raises(ConfigError, match=r"no vendor 'acme' in `ingest.vendors`; there is: none"):
        validate(site, Site, "site.yaml")
    with_vendor = {**site, "ingest": {"vendors": [{"id": "acme", "secret": "s3cret"}]}}
    assert validate(with_vendor, Site, "site.yaml").cameras[0].source.live


@pytest.mark.parametrize(
    ("vendor", "message"),
    [
        pytest.param({"id": "acme"}, "give one of `secret`", id="no secret"),
        pytest.param({"id": "acme", "secret": "s", "secret_file": "f"}, "give one of `secret`", id="two secrets"),
        pytest.param({"id": "Acme Ltd", "secret": "s"}, "pattern", id="a name with spaces"),
        pytest.param({"id": "acme", "secret": "s", "requests_per_s": 0}, "greater than 0", id="no quota"),
    ],
)
def test_a_wrong_vendor_is_refused(vendor, message):
    with pytest.raises(ConfigError, match=message):
        validate({"site": "simpang", "cameras": [camera(file="a.mp4")], "ingest": {"vendors": [vendor]}}, Site, "site.yaml")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            {"file": "a.mp4", "schedule": [{"begins": "06:00", "ends": "07:00"}]}, "`schedule` is for rtsp", id="hours for a file"
        ),
        pytest.param({"vendor": "acme", "quality": "small"}, "`quality` is for file", id="frames of a vendor are not encoded again"),
        pytest.param({"rtsp": "rtsp://a/b", "quality": "best"}, "fine", id="an unknown quality"),
        pytest.param({"rtsp": "rtsp://a/b", "max_width": 10}, "320", id="a width that is too small"),
        pytest.param({"rtsp": "rtsp://a/b", "schedule": [{"begins": "6", "ends": "07:00"}]}, "pattern", id="an hour without minutes"),
        pytest.param(
            {"rtsp": "rtsp://a/b", "schedule": [{"days": ["senin"], "begins": "06:00", "ends": "07:00"}]}, "mon", id="an unknown day"
        ),
    ],
)
def test_a_key_that_has_no_effect_on_a_source_is_refused(source, message):
    with pytest.raises(ConfigError, match=message):
        validate(camera(**source), CameraSettings, "site.yaml")


def test_hours_without_quotation_marks_are_understood():
    """YAML reads 22:30 as 1350."""
    assert Hours.model_validate({"begins": 1350, "ends": "24:00"}).begins == "22:30"


def test_the_digest_does_not_depend_on_the_source():
    """A checkpoint and a violation's provenance are about given frames."""

    def digest(**more: object) -> str:
        site = {"site": "simpang", "cameras": [camera(rtsp="rtsp://a/b", **more)], "ingest": {"spool_mb": 100 if more else 200}}
        return validate(site, Site, "site.yaml").digest

    assert digest(max_width=640, quality="small") == digest()
    assert RtspSourceSettings(rtsp="rtsp://a/b", quality="small").quality is Quality.SMALL
