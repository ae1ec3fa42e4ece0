"""What the push API accepts and rejects, and what it does while the broker is unavailable."""

import json
import struct
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from push_fixture import EVENTS, FRAMES, OTHER_SECRET, SECRET, SIZE, InProcessApi, a_site

from etle.config.deployment import VendorSettings
from etle.errors import ConfigError
from etle.media.jpeg import size_of
from etle.testing import BEGIN
from etle.wire import frame_from_wire, signed_part
from etle_cli.commands.vendor import event_schema_text
from ingest.push_api.auth import Authenticator, TokenBucket
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.conformance import ConformanceSuite
from ingest.push_api.dedup import KEPT, Deduplicator
from ingest.push_api.errors import STATUS, ErrorCode
from ingest.push_api.pictures import grey_jpeg
from ingest.push_api.samples import RequestSamples

ROOT = Path(__file__).parents[2]


def test_a_pushed_frame_is_published_like_any_other(push_api):
    push_api.clock.advance(0.25)
    request = push_api.samples.frame()
    push_api.clock.advance(0.5)
    assert push_api.send(request).status == 201
    (message,) = push_api.broker.messages(FRAMES)
    frame = frame_from_wire(message.headers, message.value, lambda camera, signed, signature: signature == push_api.signer.sign(signed))
    assert (frame.camera, frame.sequence, frame.jpeg) == ("utara", 1, request.body)
    assert frame.captured_at.isoformat() == request.headers["Etle-Captured-At"]
    assert frame.clock_error_s == -0.5
    assert message.key == b"utara"


def test_every_conformance_check_passes_twice(push_api):
    """The same checks that `etle vendor check` runs over HTTP."""
    for _ in range(2):
        outcomes = list(ConformanceSuite(push_api.send, "utara", SIZE, SECRET, _AdvancingClock(push_api)).run())
        assert [(each.name, each.actual) for each in outcomes if not each.passed] == []
        assert len(outcomes) > 60


class _AdvancingClock:
    """Advances the API's clock by 10 ms at each reading."""

    def __init__(self, push_api: InProcessApi) -> None:
        self._clock = push_api.clock

    def now(self) -> datetime:
        self._clock.advance(0.01)
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)


@pytest.mark.parametrize("defect", ["accepts every secret", "overwrites", "forgets", "sends no body", "accepts any size"])
def test_the_conformance_checks_find_a_server_that_breaks_the_contract(push_api, defect):
    def send(request: PushRequest) -> PushReply:
        reply = push_api.send(request)
        if defect == "accepts every secret" and reply.status == 401:
            return replace(reply, status=201, body={"status": "accepted"})
        if defect == "overwrites" and reply.code == "reused":
            return replace(reply, status=201, body={"status": "accepted"})
        if defect == "forgets" and reply.status == 200:
            return replace(reply, status=201)
        if defect == "sends no body" and reply.status >= 400:
            return replace(reply, body=None)
        if defect == "accepts any size" and reply.code == "wrong_size":
            return replace(reply, status=201, body={"status": "accepted"})
        return reply

    assert any(not each.passed for each in ConformanceSuite(send, "utara", SIZE, SECRET, _AdvancingClock(push_api)).run())


def test_while_the_broker_is_down_a_frame_is_accepted_into_the_spool_and_sent_later(push_api):
    push_api.broker.down = True
    assert push_api.send(push_api.samples.frame()).status == 201
    assert push_api.frames() == []
    push_api.open(a_site())
    push_api.broker.down = False
    push_api.clock.advance(1)
    assert push_api.send(push_api.samples.frame()).status == 201
    end = time.monotonic() + 30
    while len(push_api.frames()) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert [each["sequence"] for each in push_api.frames()] == [b"1", b"2"]


def test_accepted_messages_are_known_after_a_restart(push_api):
    request = push_api.samples.frame()
    event = push_api.samples.event_request(push_api.samples.event())
    assert [push_api.send(each).status for each in (request, event)] == [201, 201]
    push_api.open(a_site())
    assert [push_api.send(each).status for each in (request, event)] == [200, 200]
    assert len(push_api.frames()) == len(push_api.broker.messages(EVENTS)) == 1
    cameras = push_api.send(push_api.samples.cameras()).body["cameras"]
    assert [(each["id"], each["last_sequence"]) for each in cameras] == [("utara", 1), ("selatan", None)]


def test_an_event_is_published_unchanged_with_its_vendor_and_signature(push_api):
    request = push_api.samples.event_request(push_api.samples.event())
    assert push_api.send(request).body["status"] == "accepted"
    (message,) = push_api.broker.messages(EVENTS)
    headers = dict(message.headers)
    assert message.value == request.body
    assert (headers["vendor"], headers["camera"]) == (b"acme", b"utara")
    assert headers["signature"] == push_api.signer.sign(signed_part(message.headers))


@pytest.mark.parametrize(
    ("changed", "behind", "code", "message"),
    [
        pytest.param(
            {}, bytes(range(256)) * 4000, "broken_picture", "bytes follow the end of the JPEG", id="a megabyte behind the picture"
        ),
        pytest.param({}, b"PK\3\4", "broken_picture", "4 bytes follow the end of the JPEG", id="four bytes behind the picture"),
        pytest.param({}, b"\0\0\r\n", None, "", id="padding behind the picture"),
        pytest.param({"Etle-Captured-At": "0001-01-01T00:00:00Z"}, b"", "wrong_clock", "more than 31 days ago", id="the year 1"),
        pytest.param({"Etle-Captured-At": "1971-01-01T00:00:00Z"}, b"", "wrong_clock", "more than 31 days ago", id="the year 1971"),
    ],
)
def test_a_picture_is_only_a_picture_and_of_this_time(push_api, changed: dict[str, str], behind: bytes, code: str | None, message: str):
    picture = grey_jpeg(*SIZE, comment="x")
    reply = push_api.send(push_api.samples.frame(changed, body=picture + behind))
    assert reply.code == code and reply.status == (201 if code is None else 422)
    assert message in json.dumps(reply.body)
    assert len(push_api.broker.messages(FRAMES)) == (1 if code is None else 0)


def test_a_picture_that_browsers_would_turn_is_rejected(push_api):
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 3, 0, 0)
    picture = grey_jpeg(*SIZE)
    turned = picture[:2] + b"\xff\xe1" + (len(tiff) + 8).to_bytes(2) + b"Exif\0\0" + tiff + picture[2:]
    reply = push_api.send(push_api.samples.frame(body=turned))
    assert (reply.status, reply.code) == (422, "broken_picture")
    assert "orientation" in json.dumps(reply.body)


@pytest.mark.parametrize("character", ["\x85", "\x9f", "\x7f", "\u202e", "\u2066", "\u200f", "\u2028", "\ufeff"])
def test_a_text_with_control_or_bidi_characters_is_rejected(push_api, character: str):
    for changed in (
        {"id": f"a{character}b"},
        {"device": {"model": f"a{character}", "serial": "0", "firmware": "1"}},
        {"measured": [{"name": f"a{character}", "value": 1, "unit": "m"}]},
    ):
        reply = push_api.send(push_api.samples.event_request(push_api.samples.event(**changed)))
        assert (reply.status, reply.code) == (400, "bad_body")
    assert push_api.broker.messages(EVENTS) == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+07:00", "1971-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_an_event_of_another_time_is_rejected(push_api, moment: str):
    reply = push_api.send(push_api.samples.event_request(push_api.samples.event(occurred_at=moment)))
    assert (reply.status, reply.code) == (422, "wrong_clock")


def test_a_frame_that_is_sent_ten_times_concurrently_is_published_once(push_api):
    request = push_api.samples.frame()
    replies = push_api.send_concurrently([request] * 10)
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len(push_api.frames()) == 1


def test_a_vendor_cannot_push_for_another_vendors_camera(push_api):
    with_wrong_secret = RequestSamples("barat", SIZE, SECRET, push_api.clock)
    assert push_api.send(with_wrong_secret.frame()).code == "unknown_camera"
    with_its_own = RequestSamples("barat", SIZE, OTHER_SECRET, push_api.clock)
    assert push_api.send(with_its_own.frame()).status == 201


def test_requests_over_the_quota_are_rejected_with_the_seconds_to_wait(push_api):
    push_api.open(a_site(requests_per_s=0.5, burst=3))
    replies = [push_api.send(push_api.samples.cameras()) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[-1].headers["retry-after"] == "2"
    assert push_api.metrics.value("etle_vendor_messages_total", vendor="acme", outcome="over_quota") == 1
    assert push_api.metrics.value("etle_vendor_messages_total", vendor="acme", outcome="asked") == 3
    assert push_api.send(RequestSamples("barat", SIZE, OTHER_SECRET, push_api.clock).cameras()).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("HEAD", "/v1/cameras", 405, "wrong_method", id="HEAD is not GET"),
        pytest.param("OPTIONS", "/v1/frames", 405, "wrong_method", id="OPTIONS"),
        pytest.param("GET", "/v1/cameras/", 404, "no_such_path", id="no redirect from a trailing slash"),
        pytest.param("POST", "/v1/frames\n", 404, "no_such_path", id="a trailing newline"),
        pytest.param("GET", "/", 404, "no_such_path", id="the root"),
    ],
)
def test_paths_and_methods_are_compared_exactly(push_api, method, path, status, code):
    reply = push_api.send_raw(method, path, [], [b""])
    assert (reply.status, reply.code) == (status, code)
    assert sorted(reply.headers) == ["cache-control", "content-length", "content-type"]
    assert push_api.metrics.value("etle_vendor_messages_total", vendor="unknown", outcome=code) == 1


def test_a_header_that_occurs_twice_is_rejected_before_anything_else(push_api):
    headers = [(b"etle-camera", b"utara"), (b"Etle-Camera", b"barat")]
    reply = push_api.send_raw("POST", "/nowhere", headers, [b""])
    assert (reply.status, reply.code, reply.body["error"]["field"]) == (400, "bad_header", "Etle-Camera")


def test_a_client_that_disconnects_before_the_end_of_its_body_gets_no_response(push_api):
    request = push_api.samples.frame()
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    assert push_api.asgi_messages("POST", request.path, headers, [request.body], complete=False) == []
    assert push_api.asgi_messages("POST", request.path, [], [request.body], complete=False) == []
    assert push_api.frames() == []
    assert push_api.metrics.value("etle_vendor_messages_total", vendor="acme", outcome="accepted") is None


def test_a_token_bucket_fills_up_to_its_burst():
    now = [0.0]
    bucket = TokenBucket(2.0, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [None, None, None, 0.5]
    now[0] += 0.5
    assert bucket.take() is None
    now[0] += 1000
    assert [bucket.take() for _ in range(4)] == [None, None, None, 0.5]


@pytest.mark.parametrize(
    ("vendors", "message"),
    [
        pytest.param([("acme", "short")], "at least 16", id="short"),
        pytest.param([("acme", " spaces around the secret ")], "without spaces", id="spaces around it"),
        pytest.param([("acme", "the same for both of us"), ("other", "the same for both of us")], "the same secret", id="shared"),
    ],
)
def test_an_unsafe_secret_is_rejected_before_the_start(vendors, message):
    with pytest.raises(ConfigError, match=message):
        Authenticator([VendorSettings(id=name, secret=secret) for name, secret in vendors], lambda: 0.0)


def test_a_secret_can_be_read_from_a_file(tmp_path):
    (tmp_path / "acme.secret").write_text(SECRET + "\n")
    authenticator = Authenticator([VendorSettings(id="acme", secret_file=tmp_path / "acme.secret")], lambda: 0.0)
    assert authenticator.vendor(f"Bearer {SECRET}") == "acme"


def test_a_full_spool_is_reported_as_busy(push_api):
    site = a_site()
    push_api.open(site.model_copy(update={"ingest": site.ingest.model_copy(update={"spool_mb": 0})}), delivery_timeout_s=0.3)
    push_api.broker.down = True
    reply = push_api.send(push_api.samples.frame())
    assert (reply.status, reply.code) == (503, "busy")
    assert int(reply.headers["retry-after"]) > 0


def test_old_records_are_pruned_and_the_newest_stay(tmp_path):
    with Deduplicator(tmp_path / "accepted.sqlite") as dedup:
        for number in range(KEPT + 1500):
            dedup.add_frame("utara", number, "ab" * 32, BEGIN)
            dedup.add_event("acme", str(number), "ab" * 32)
        assert dedup.last("utara").sequence == KEPT + 1499
        assert dedup.frame("utara", KEPT + 1499) and dedup.event("acme", str(KEPT + 1499))
        assert dedup.frame("utara", 10) is None and dedup.event("acme", "10") is None


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (1920, 1080), (13, 7)])
def test_a_grey_picture_is_a_jpeg_that_decoders_accept(size):
    import cv2
    import numpy as np

    data = grey_jpeg(*size, comment="x")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert tuple(size_of(data)) == size == image.shape[1::-1]
    assert (image == 128).all()


def test_every_error_code_is_documented_with_its_status():
    documentation = (ROOT / "docs/vendors.md").read_text()
    for code in ErrorCode:
        assert f"| {STATUS[code].value} | `{code.value}` |" in documentation


def test_the_shipped_schema_is_the_one_that_is_enforced():
    assert (ROOT / "configs/vendor-event.schema.json").read_text() == event_schema_text()
    assert msgspec.json.decode(event_schema_text())["title"] == "etle vendor event, version 1"
    assert json.loads(event_schema_text())["$defs"]["VendorEvent"]["additionalProperties"] is False
