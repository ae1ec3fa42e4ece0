"""Events as `etle vendor events` reads them from Kafka: with the signature and digest that the push API gave them, or not at all."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("cryptography", reason="needs the `ingest` extra")

from push_fixture import EVENTS, InProcessApi

from etle.config.deployment import EdgeDevice, IngestSettings
from etle.errors import WireError
from etle.kafka.protocols import Message
from etle.signing import Signer, frame_verifier, public_file
from etle.wire import Verify, signed_part
from etle_cli.commands.vendor_events import event_of


@pytest.fixture
def verify(push_api: InProcessApi) -> Verify:
    device = EdgeDevice(id="gateway", public_key=public_file(push_api.folder / "gateway.pem"))
    found = frame_verifier(IngestSettings(devices=(device,)))
    assert found is not None
    return found


@pytest.fixture
def message(push_api: InProcessApi) -> Message:
    push_api.send(push_api.samples.event_request(push_api.samples.event(id="e-1")))
    (found,) = push_api.broker.messages(EVENTS)
    return found


def test_a_genuine_event_is_read_with_its_receipt(message: Message, verify: Verify) -> None:
    event = event_of(message, verify)
    assert (event["id"], event["camera"], event["vendor"]) == ("e-1", "utara", "acme")
    assert event == event_of(message, None)


def test_changed_bytes_are_refused(message: Message, verify: Verify) -> None:
    with pytest.raises(WireError, match="another digest"):
        event_of(replace(message, value=message.value.replace(b"e-1", b"e-2")), verify)


def test_a_forged_event_is_refused(message: Message, verify: Verify, push_api: InProcessApi) -> None:
    rogue = Signer.from_file(push_api.folder / "rogue.pem")
    unsigned = tuple(header for header in message.headers if header[0] != "signature")
    signed = (*unsigned, ("signature", rogue.sign(signed_part(unsigned))))
    for headers in (unsigned, signed):
        with pytest.raises(WireError, match="no signature of a device"):
            event_of(replace(message, headers=headers), verify)


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b"\xff", json.dumps({"id": 1}).encode(), b'{"occurred_at": "x"}'])
def test_what_is_no_event_is_refused(message: Message, verify: Verify, value: bytes) -> None:
    with pytest.raises(WireError, match="was not published by the push API"):
        event_of(replace(message, value=value), verify)
    with pytest.raises(WireError, match="was not published by the push API"):
        event_of(replace(message, headers=()), verify)
