"""Feeds of signal controllers: over HTTP, from a recording, and what bad, late and missing messages do."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from footage.http_cameras import Answer, http_camera
from footage.videos import jpeg

from etle.clock import SystemClock
from etle.config.signal_feed import SignalFeed
from etle.config.site import CameraSettings, Site
from etle.controller import readings_from_json, readings_to_json
from etle.errors import WireError
from etle.types import CameraId, ControllerReading, Frame, Lamp, SignalId
from etle.wire import frame_from_wire, frame_to_wire
from etle_cli.check.feeds import check_feeds
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.signals.feed import ControllerFeed
from ingest.signals.inbox import ReadingInbox
from ingest.signals.source import SourceWithSignals, no_topics, open_feed
from ingest.sources.frames import frame_of

CAMERA, BARAT = CameraId("cam-1"), SignalId("barat")
NOW = datetime(2026, 11, 23, 3, 0, 10, tzinfo=UTC)
PICTURE = jpeg(64, 48)


def message(moment: datetime = NOW, **changed: object) -> dict[str, object]:
    since = moment - timedelta(seconds=3)
    return {"signal": "barat", "lamp": "red", "since": since.isoformat(), "at": moment.isoformat(), "sequence": 7} | changed


def written(*messages: dict[str, object]) -> bytes:
    return json.dumps(messages[0] if len(messages) == 1 else messages).encode()


# -- the message ---------------------------------------------------------------------------------------------------------------------


def test_one_message_or_an_array_of_them_is_read_and_times_are_turned_into_utc():
    (one,) = readings_from_json(written(message(since="2026-11-23T10:00:07+07:00", extra="ignored")))
    assert one == ControllerReading(signal=BARAT, lamp=Lamp.RED, since=NOW - timedelta(seconds=3), at=NOW, sequence=7)
    assert readings_from_json(written(message(), message(signal="timur")))[1].signal == "timur"
    assert readings_from_json(readings_to_json([one, one])) == (one, one)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(b"<html>", "malformed", id="no JSON"),
        pytest.param(b"\xff\xfe", "", id="no text"),
        pytest.param(b"[" * 100_000, "", id="deep"),
        pytest.param(b" " * 300_000, "300000 bytes", id="too large"),
        pytest.param(written(message(lamp="amber")), "Invalid enum value 'amber'", id="an unknown lamp"),
        pytest.param(written(message(sequence=-1)), "Expected `int` >= 0", id="a negative number"),
        pytest.param(written(message(sequence=1e300)), "Expected `int`", id="no whole number"),
        pytest.param(written(message(since="2026-11-23T03:00:07")), "`since` (2026-11-23T03:00:07) has no UTC offset", id="no UTC offset"),
        pytest.param(written(message(at="0001-01-01T00:00:00+07:00", since="0001-01-01T00:00:00+07:00")), "", id="year 1"),
        pytest.param(written(message(since="2026-11-23T03:00:11Z")), "is after `at`", id="begins after it was seen"),
        pytest.param(written({"signal": "barat"}), "missing required field `lamp`", id="fields are missing"),
        pytest.param(written(message(schema=2)), "schema 2, but this version of etle reads schema 1", id="another schema"),
    ],
)
def test_a_bad_message_is_refused_and_says_why(document, reason):
    with pytest.raises(WireError) as error:
        readings_from_json(document)
    assert str(error.value).startswith("controller message") and reason in str(error.value)


def test_it_travels_in_a_header_of_the_frame_and_an_older_frame_has_none():
    told = readings_from_json(written(message()))
    plain = frame_of(CAMERA, 1, PICTURE, captured_at=NOW, received_at=NOW)
    frame = Frame(**{name: getattr(plain, name) for name in plain.__slots__} | {"controller": told})
    headers, value = frame_to_wire(frame)
    assert frame_from_wire(headers, value) == frame
    assert frame_from_wire([header for header in headers if header[0] != "controller"], value) == plain
    assert [name for name, _ in frame_to_wire(plain)[0]] == [name for name, _ in headers if name != "controller"]
    with pytest.raises(WireError, match="controller message"):
        frame_from_wire([(name, b"{}" if name == "controller" else text) for name, text in headers], value)


# -- the inbox -----------------------------------------------------------------------------------------------------------------------


def inbox(losses: FrameLossCounter, **settings: object) -> ReadingInbox:
    return ReadingInbox(CAMERA, BARAT, SignalFeed.model_validate({"http": "http://10.0.0.9/", "uncertainty_ms": 200, **settings}), losses)


@pytest.mark.parametrize(
    ("off_s", "reason"),
    [
        pytest.param(0.15, None, id="a little ahead"),
        pytest.param(-0.15, None, id="a little late"),
        pytest.param(0.3, "`at` is 300 ms ahead of this host's clock, more than uncertainty_ms (200)", id="ahead"),
        pytest.param(-0.3, "`at` is 300 ms late of this host's clock", id="late, or its clock is behind"),
        pytest.param(-3600, "late", id="a frozen answer"),
    ],
)
def test_a_message_whose_time_cannot_be_right_is_counted_and_not_used(off_s, reason):
    losses = FrameLossCounter()
    box = inbox(losses)
    box.put(written(message(NOW + timedelta(seconds=off_s))), NOW, NOW)
    assert len(box.take()) == (reason is None)
    assert losses.of(CAMERA).get(LossReason.SIGNAL_MESSAGE, 0) == (reason is not None)
    if reason:
        assert reason in (losses.last_detail(CAMERA, LossReason.SIGNAL_MESSAGE) or "")


def test_a_message_without_this_signal_names_those_that_it_has():
    losses = FrameLossCounter()
    inbox(losses).put(written(message(signal="utara"), message(signal="timur")), NOW, NOW)
    assert "no signal 'barat' in it; there is: timur, utara" in (losses.last_detail(CAMERA, LossReason.SIGNAL_MESSAGE) or "")


def test_the_controller_may_have_another_name_for_the_signal():
    box = inbox(FrameLossCounter(), signal="SG-4")
    box.put(written(message(signal="SG-3"), message(signal="SG-4")), NOW, NOW)
    assert [reading.signal for reading in box.take()] == ["barat"]


def test_of_each_state_only_the_last_message_is_kept_and_memory_is_bounded():
    box = inbox(FrameLossCounter())
    for n in range(100):
        box.put(written(message(NOW + timedelta(milliseconds=n), since=NOW.isoformat())))
    assert [reading.at for reading in box.take()] == [NOW + timedelta(milliseconds=99)]
    for n in range(2000):
        box.put(written(message(NOW, sequence=n)))
    assert len(box.take()) == 500


# -- over HTTP, from a recording -----------------------------------------------------------------------------------------------------


def says(*texts: bytes | int) -> list[Answer]:
    """Answers with a message of now (an int: that sequence), or with these bytes; 0: an error."""

    def answer(text: bytes | int) -> Answer:
        def respond(request):
            body = written(message(datetime.now(UTC), sequence=text)) if isinstance(text, int) else text
            request.send_response(200 if text else 503)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        return respond

    return [answer(text) for text in texts]


class Camera:
    """A live source with a frame every 20 ms, until `seconds` are over."""

    live = True

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        number = 0
        while time.monotonic() < self._end:
            now = datetime.now(UTC)
            yield frame_of(CAMERA, number, PICTURE, captured_at=now, received_at=now)
            number += 1
            time.sleep(0.02)


def opened(url: str, losses: FrameLossCounter, **settings: object) -> ControllerFeed:
    feed = SignalFeed.model_validate({"http": url, "interval_s": 0.05, "silent_after_s": 0.5, **settings})
    return open_feed(CAMERA, BARAT, feed, SystemClock(), losses, no_topics)


def test_the_messages_of_a_server_travel_with_the_frames():
    losses = FrameLossCounter()
    with http_camera(*says(5, 5, b"oops", 6, 7)) as url:
        frames = list(SourceWithSignals(Camera(0.8), [opened(url, losses)]).frames())
    told = [reading for frame in frames for reading in frame.controller]
    assert [*dict.fromkeys(reading.sequence for reading in told)] == [5, 6, 7]
    assert losses.of(CAMERA) == {LossReason.SIGNAL_MESSAGE: 1}


def test_a_server_that_fails_is_counted_and_asked_again():
    losses = FrameLossCounter()
    with http_camera(*says(5, 0, 6)) as url:
        frames = list(SourceWithSignals(Camera(1.2), [opened(url, losses)]).frames())
    assert {reading.sequence for frame in frames for reading in frame.controller} == {5, 6}
    assert losses.of(CAMERA)[LossReason.SIGNAL_SILENT] == 1
    assert "HTTP 503" in (losses.last_detail(CAMERA, LossReason.SIGNAL_SILENT) or "")


def test_the_camera_goes_on_without_the_server():
    losses = FrameLossCounter()
    frames = list(SourceWithSignals(Camera(0.3), [opened("http://127.0.0.1:9/", losses)]).frames())
    assert len(frames) > 3 and not any(frame.controller for frame in frames)
    assert losses.of(CAMERA)[LossReason.SIGNAL_SILENT] >= 1


def test_a_password_in_the_address_is_in_no_message():
    losses = FrameLossCounter()
    list(SourceWithSignals(Camera(0.3), [opened("http://user:geheim@127.0.0.1:9/", losses)]).frames())
    assert "geheim" not in (losses.last_detail(CAMERA, LossReason.SIGNAL_SILENT) or "geheim")


class Recording:
    live = False

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for number in range(100):
            if after is None or number > after:
                at = NOW + timedelta(seconds=number)
                yield frame_of(CAMERA, number, PICTURE, captured_at=at, received_at=NOW)


def recorded(path: Path, losses: FrameLossCounter) -> SourceWithSignals:
    feed = SignalFeed(file=path)
    return SourceWithSignals(Recording(), [open_feed(CAMERA, BARAT, feed, SystemClock(), losses, no_topics)])


def test_a_recording_gives_the_same_frames_the_same_messages_and_a_bad_line_is_counted(tmp_path):
    path, losses = tmp_path / "signals.jsonl", FrameLossCounter()
    lines = [written(message(NOW + timedelta(seconds=n), sequence=n, since=(NOW + timedelta(seconds=n)).isoformat())) for n in range(100)]
    path.write_bytes(b"\n".join([*lines[:50], b"oops", b"", *lines[50:]]))
    once, again = list(recorded(path, losses).frames()), list(recorded(path, losses).frames())
    assert once == again
    assert [reading.sequence for frame in once for reading in frame.controller] == list(range(100))
    assert len(once[0].controller) == 61  # a minute ahead
    assert losses.of(CAMERA) == {LossReason.SIGNAL_MESSAGE: 2}
    resumed = list(recorded(path, losses).frames(after=49))
    assert resumed[1:] == once[51:]


# -- the site file and the check -----------------------------------------------------------------------------------------------------


def site(source: dict[str, object], feed: dict[str, object]) -> Site:
    camera = {"id": "cam-1", "view": "rear", "source": source, "frame_size": [64, 48], "signals": [{"id": "barat", "feed": feed}]}
    return Site(site="s", cameras=(CameraSettings.model_validate(camera),))


@pytest.mark.parametrize(
    ("source", "feed", "reason"),
    [
        pytest.param({"mjpeg": "http://c/"}, {}, "a feed has one of `http`, `topic` and `file`", id="no place"),
        pytest.param({"mjpeg": "http://c/"}, {"http": "http://c/", "topic": "t"}, "here: http, topic", id="two places"),
        pytest.param({"mjpeg": "http://c/"}, {"http": "ftp://c/"}, "begins with http://", id="another scheme"),
        pytest.param({"mjpeg": "http://c/"}, {"file": "s.jsonl"}, "has to be `http` or `topic`: the camera is live", id="a recording"),
        pytest.param({"file": "a.mp4"}, {"http": "http://c/"}, "has to be `file`: the source is a recording", id="live for a recording"),
        pytest.param({"vendor": "v"}, {"http": "http://c/"}, "needs a source that etle reads itself", id="pushed frames"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(source, feed, reason):
    with pytest.raises(ValueError, match=reason):
        site(source, feed)


def test_where_a_feed_comes_from_is_no_part_of_the_digest_but_its_uncertainty_is():
    one = site({"mjpeg": "http://c/"}, {"http": "http://a/"})
    assert site({"mjpeg": "http://c/"}, {"topic": "signals"}).digest == one.digest
    assert site({"mjpeg": "http://c/"}, {"http": "http://a/", "uncertainty_ms": 100}).digest != one.digest


def test_the_check_reads_one_message_and_says_what_is_wrong():
    with http_camera(*says(5)) as url:
        (good,) = check_feeds(site({"mjpeg": "http://c/"}, {"http": url}), 3)
    assert good.state == "ok" and "says red" in good.message and good.subject == "feed of signal barat of cam-1"
    with http_camera(*says(written(message()))) as url:
        (late,) = check_feeds(site({"mjpeg": "http://c/"}, {"http": url}), 0.6)
    assert late.state == "problem" and "uncertainty_ms" in late.message


def test_the_check_of_a_recording(tmp_path):
    (absent,) = check_feeds(site({"file": "a.mp4"}, {"file": str(tmp_path / "no.jsonl")}), 1)
    assert absent.state == "problem" and "cannot be read" in absent.message
    (tmp_path / "s.jsonl").write_bytes(written(message()))
    (good,) = check_feeds(site({"file": "a.mp4"}, {"file": str(tmp_path / "s.jsonl")}), 1)
    assert good.state == "ok" and "begins with red" in good.message
