"""Keys of edge devices, and which device may sign for which camera."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from etle.config.deployment import EdgeDevice, IngestSettings
from etle.errors import ConfigError, WireError
from etle.signing import Signer, frame_verifier
from etle.testing import a_frame
from etle.wire import frame_from_wire, frame_to_wire


def a_device(folder: Path, name: str, *cameras: str) -> tuple[Signer, EdgeDevice]:
    signer = Signer.from_file(folder / f"{name}.pem")
    public = folder / f"{name}.pub"
    public.write_bytes(signer.public_pem)
    return signer, EdgeDevice(id=name, public_key=public, cameras=cameras)


def test_a_key_is_created_once_and_only_its_owner_can_read_it(tmp_path):
    created = Signer.from_file(tmp_path / "keys" / "device.pem")
    assert Signer.from_file(tmp_path / "keys" / "device.pem").fingerprint == created.fingerprint
    assert stat.S_IMODE((tmp_path / "keys" / "device.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("signed_by", "camera", "accepted"),
    [
        pytest.param("north", "cam-1", True, id="the device of the camera"),
        pytest.param("north", "cam-2", False, id="the device of another camera"),
        pytest.param("any", "cam-2", True, id="a device that may sign for all cameras"),
        pytest.param("stranger", "cam-1", False, id="a key that the site file does not name"),
    ],
)
def test_a_frame_is_accepted_only_from_a_device_that_may_sign_for_its_camera(tmp_path, signed_by, camera, accepted):
    devices = {"north": a_device(tmp_path, "north", "cam-1"), "any": a_device(tmp_path, "any"), "stranger": a_device(tmp_path, "stranger")}
    verify = frame_verifier(IngestSettings(devices=(devices["north"][1], devices["any"][1])))
    frame = a_frame(7, camera=camera)
    headers, value = frame_to_wire(frame, devices[signed_by][0].sign)
    if accepted:
        assert frame_from_wire(headers, value, verify) == frame
    else:
        with pytest.raises(WireError, match="signature is not valid"):
            frame_from_wire(headers, value, verify)


def test_a_changed_header_is_detected(tmp_path):
    signer, device = a_device(tmp_path, "north")
    verify = frame_verifier(IngestSettings(devices=(device,)))
    frame = a_frame(7)
    signature = dict(frame_to_wire(frame, signer.sign)[0])["signature"]
    for changed in (replace(frame, sequence=8), replace(frame, clock_error_s=0.5), replace(frame, camera="cam-2")):
        headers, value = frame_to_wire(changed)
        with pytest.raises(WireError, match="signature is not valid"):
            frame_from_wire([*headers, ("signature", signature)], value, verify)


def test_without_devices_in_the_site_file_signatures_are_not_checked():
    assert frame_verifier(IngestSettings()) is None


def test_a_file_without_a_public_key_is_refused_by_name(tmp_path):
    (tmp_path / "broken.pub").write_text("no key")
    with pytest.raises(ConfigError, match=r"broken\.pub is not a public key"):
        frame_verifier(IngestSettings(devices=(EdgeDevice(id="north", public_key=tmp_path / "broken.pub"),)))
    private = tmp_path / "device.pem"
    Signer.from_file(private)
    with pytest.raises(ConfigError, match="not a public key"):
        frame_verifier(IngestSettings(devices=(EdgeDevice(id="north", public_key=private),)))


def test_a_device_key_that_is_lost_is_not_replaced_in_silence(tmp_path: Path):
    lost = Signer.from_file(tmp_path / "device.pem")
    (tmp_path / "device.pem").unlink()
    with pytest.raises(ConfigError, match="Restore it from a backup"):
        Signer.from_file(tmp_path / "device.pem")
    assert not (tmp_path / "device.pem").exists()
    assert Signer.replace_lost(tmp_path / "device.pem").fingerprint != lost.fingerprint
    assert (tmp_path / f"device-{lost.fingerprint[:16]}.pub").read_bytes() == lost.public_pem
