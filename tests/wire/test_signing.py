"""Whose frame it is: keys on the box, and who may speak for which camera."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from etle.config.deployment import EdgeDevice, IngestSettings
from etle.errors import ConfigError, WireError
from etle.signing import Signer, frame_verifier
from etle.testing import a_frame
from etle.wire import frame_from_wire, frame_to_wire


def a_box(folder: Path, name: str, *cameras: str) -> tuple[Signer, EdgeDevice]:
    signer = Signer.from_file(folder / f"{name}.pem")
    public = folder / f"{name}.pub"
    public.write_bytes(signer.public_pem)
    return signer, EdgeDevice(id=name, public_key=public, cameras=cameras)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    made = Signer.from_file(tmp_path / "keys" / "box.pem")
    assert Signer.from_file(tmp_path / "keys" / "box.pem").fingerprint == made.fingerprint
    assert stat.S_IMODE((tmp_path / "keys" / "box.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("signed_by", "camera", "taken"),
    [
        pytest.param("north", "cam-1", True, id="its own box"),
        pytest.param("north", "cam-2", False, id="a camera of another box"),
        pytest.param("any", "cam-2", True, id="a box that may speak for all"),
        pytest.param("stranger", "cam-1", False, id="a key that the site does not name"),
    ],
)
def test_a_frame_is_taken_from_the_box_that_may_speak_for_its_camera(tmp_path, signed_by, camera, taken):
    boxes = {"north": a_box(tmp_path, "north", "cam-1"), "any": a_box(tmp_path, "any"), "stranger": a_box(tmp_path, "stranger")}
    verify = frame_verifier(IngestSettings(devices=(boxes["north"][1], boxes["any"][1])))
    frame = a_frame(7, camera=camera)
    headers, value = frame_to_wire(frame, boxes[signed_by][0].sign)
    if taken:
        assert frame_from_wire(headers, value, verify) == frame
    else:
        with pytest.raises(WireError, match="not that of its ingest box"):
            frame_from_wire(headers, value, verify)


def test_a_header_that_was_changed_on_the_way_is_found(tmp_path):
    signer, box = a_box(tmp_path, "north")
    verify = frame_verifier(IngestSettings(devices=(box,)))
    frame = a_frame(7)
    signature = dict(frame_to_wire(frame, signer.sign)[0])["signature"]
    for changed in (replace(frame, sequence=8), replace(frame, clock_error_s=0.5), replace(frame, camera="cam-2")):
        headers, value = frame_to_wire(changed)
        with pytest.raises(WireError, match="not that of its ingest box"):
            frame_from_wire([*headers, ("signature", signature)], value, verify)


def test_without_boxes_nothing_need_be_signed():
    assert frame_verifier(IngestSettings()) is None


def test_a_public_key_that_is_none_is_refused_with_its_name(tmp_path):
    (tmp_path / "box.pub").write_text("no key")
    with pytest.raises(ConfigError, match=r"box\.pub is not a public key"):
        frame_verifier(IngestSettings(devices=(EdgeDevice(id="north", public_key=tmp_path / "box.pub"),)))
    private = tmp_path / "box.pem"
    Signer.from_file(private)
    with pytest.raises(ConfigError, match="not a public key"):
        frame_verifier(IngestSettings(devices=(EdgeDevice(id="north", public_key=private),)))
