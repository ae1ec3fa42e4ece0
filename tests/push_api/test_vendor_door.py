"""What the door for vendors' boxes takes, what it refuses, and what it does while the broker is away."""

import json
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from porch import EVENTS, FRAMES, OTHER, SECRET, SIZE, Porch, a_site

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
from ingest.push_api.samples import Samples

ROOT = Path(__file__).parents[2]


def test_a_frame_that_is_pushed_is_one_like_every_other(porch):
    porch.clock.advance(0.25)
    request = porch.samples.frame()
    porch.clock.advance(0.5)
    assert porch.ask(request).status == 201
    (message,) = porch.broker.messages(FRAMES)
    frame = frame_from_wire(message.headers, message.value, lambda camera, signed, signature: signature == porch.signer.sign(signed))
    assert (frame.camera, frame.sequence, frame.jpeg) == ("utara", 1, request.body)
    assert frame.captured_at.isoformat() == request.headers["Etle-Captured-At"]
    assert frame.clock_error_s == -0.5
    assert message.key == b"utara"


def test_every_check_of_the_kit_passes_twice(porch):
    """It is the same kit that a third party runs against a door, over HTTP."""
    for _ in range(2):
        results = list(ConformanceSuite(porch.ask, "utara", SIZE, SECRET, _Ticking(porch)).run())
        assert [(each.name, each.came) for each in results if not each.passed] == []
        assert len(results) > 60


class _Ticking:
    """A clock that goes on by itself."""

    def __init__(self, porch: Porch) -> None:
        self._porch = porch

    def now(self):
        self._porch.clock.advance(0.01)
        return self._porch.clock.now()

    def sleep(self, seconds: float) -> None:
        self._porch.clock.advance(seconds)


@pytest.mark.parametrize("fault", ["takes every secret", "overwrites", "forgets", "says nothing", "takes any size"])
def test_the_kit_finds_a_door_that_breaks_the_contract(porch, fault):
    def ask(request: PushRequest) -> PushReply:
        reply = porch.ask(request)
        if fault == "takes every secret" and reply.status == 401:
            return replace(reply, status=201, body={"status": "accepted"})
        if fault == "overwrites" and reply.code == "reused":
            return replace(reply, status=201, body={"status": "accepted"})
        if fault == "forgets" and reply.status == 200:
            return replace(reply, status=201)
        if fault == "says nothing" and reply.status >= 400:
            return replace(reply, body=None)
        if fault == "takes any size" and reply.code == "wrong_size":
            return replace(reply, status=201, body={"status": "accepted"})
        return reply

    assert any(not each.passed for each in ConformanceSuite(ask, "utara", SIZE, SECRET, _Ticking(porch)).run())


def test_an_answer_comes_when_the_frame_is_safe_and_while_the_broker_is_away_that_is_the_disk(porch):
    porch.broker.down = True
    assert porch.ask(porch.samples.frame()).status == 201
    assert porch.frames() == []
    porch.open(a_site())  # the door is closed and opened again
    porch.broker.down = False
    porch.clock.advance(1)
    assert porch.ask(porch.samples.frame()).status == 201
    end = time.monotonic() + 30
    while len(porch.frames()) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert [each["sequence"] for each in porch.frames()] == [b"1", b"2"]


def test_what_was_taken_is_known_after_a_restart(porch):
    request = porch.samples.frame()
    event = porch.samples.posted(porch.samples.event())
    assert [porch.ask(each).status for each in (request, event)] == [201, 201]
    porch.open(a_site())
    assert [porch.ask(each).status for each in (request, event)] == [200, 200]
    assert len(porch.frames()) == len(porch.broker.messages(EVENTS)) == 1
    told = porch.ask(PushRequest(method="GET", path="/v1/cameras", headers=porch.samples.signed_in)).body["cameras"]
    assert [(each["id"], each["last_sequence"]) for each in told] == [("utara", 1), ("selatan", None)]


def test_an_event_is_kept_as_it_came_with_who_said_it(porch):
    request = porch.samples.posted(porch.samples.event())
    assert porch.ask(request).body["status"] == "accepted"
    (message,) = porch.broker.messages(EVENTS)
    headers = dict(message.headers)
    assert message.value == request.body
    assert (headers["vendor"], headers["camera"]) == (b"acme", b"utara")
    assert headers["signature"] == porch.signer.sign(signed_part(message.headers))


def test_the_same_frame_pushed_ten_times_at_once_is_one(porch):
    request = porch.samples.frame()
    replies = porch.at_once([request] * 10)
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len(porch.frames()) == 1


def test_a_vendor_cannot_push_for_anothers_camera(porch):
    mine = Samples("barat", SIZE, SECRET, porch.clock)
    assert porch.ask(mine.frame()).code == "unknown_camera"
    theirs = Samples("barat", SIZE, OTHER, porch.clock)
    assert porch.ask(theirs.frame()).status == 201


def test_who_asks_too_often_is_told_when_to_come_again(porch):
    porch.open(a_site(requests_per_s=0.5, burst=3))
    asked = PushRequest(method="GET", path="/v1/cameras", headers=porch.samples.signed_in)
    replies = [porch.ask(asked) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[-1].headers["retry-after"] == "2"
    assert porch.metrics.value("etle_vendor_messages_total", vendor="acme", outcome="over_quota") == 1
    others = PushRequest(method="GET", path="/v1/cameras", headers={"Authorization": f"Bearer {OTHER}"})
    assert porch.ask(others).status == 200


def test_a_bucket_fills_up_to_its_burst_and_no_further():
    now = [0.0]
    bucket = TokenBucket(2.0, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [None, None, None, 0.5]
    now[0] += 0.5
    assert bucket.take() is None
    now[0] += 1000
    assert [bucket.take() for _ in range(4)] == [None, None, None, 0.5]


@pytest.mark.parametrize(
    ("vendors", "fault"),
    [
        pytest.param([("acme", "short")], "at least 16", id="short"),
        pytest.param([("acme", " spaces around the secret ")], "without spaces", id="spaces around it"),
        pytest.param([("acme", "the same for both of us"), ("other", "the same for both of us")], "the same secret", id="shared"),
    ],
)
def test_a_secret_that_protects_nobody_is_refused_before_the_start(vendors, fault):
    with pytest.raises(ConfigError, match=fault):
        Authenticator([VendorSettings(id=name, secret=secret) for name, secret in vendors], lambda: 0.0)


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "acme.secret").write_text(SECRET + "\n")
    assert (
        Authenticator([VendorSettings(id="acme", secret_file=tmp_path / "acme.secret")], lambda: 0.0).vendor(f"Bearer {SECRET}") == "acme"
    )


def test_a_spool_that_is_full_is_told_and_the_box_keeps_its_frame(porch):
    site = a_site()
    porch.open(site.model_copy(update={"ingest": site.ingest.model_copy(update={"spool_mb": 0})}), safe_within_s=0.3)
    porch.broker.down = True
    reply = porch.ask(porch.samples.frame())
    assert (reply.status, reply.code) == (503, "busy")
    assert int(reply.headers["retry-after"]) > 0


def test_notes_do_not_grow_for_ever_and_the_newest_stay(tmp_path):
    with Deduplicator(tmp_path / "notes.sqlite") as notes:
        for number in range(KEPT + 1500):
            notes.add_frame("utara", number, "ab" * 32, BEGIN)
            notes.add_event("acme", str(number), "ab" * 32)
        assert notes.last("utara").sequence == KEPT + 1499
        assert notes.frame("utara", KEPT + 1499) and notes.event("acme", str(KEPT + 1499))
        assert notes.frame("utara", 10) is None and notes.event("acme", "10") is None


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (1920, 1080), (13, 7)])
def test_a_grey_picture_is_a_jpeg_that_decoders_take(size):
    import cv2
    import numpy as np

    data = grey_jpeg(*size, remark="x")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert tuple(size_of(data)) == size == image.shape[1::-1]
    assert (image == 128).all()


def test_every_fault_has_a_status_and_stands_in_the_documents():
    told = (ROOT / "docs/vendors.md").read_text()
    for fault in ErrorCode:
        assert f"| {STATUS[fault].value} | `{fault.value}` |" in told


def test_the_schema_that_is_shipped_is_the_one_that_is_enforced():
    assert (ROOT / "configs/vendor-event.schema.json").read_text() == event_schema_text()
    assert msgspec.json.decode(event_schema_text())["title"] == "etle vendor event, version 1"
    assert json.loads(event_schema_text())["$defs"]["Event"]["additionalProperties"] is False
