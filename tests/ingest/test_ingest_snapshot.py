"""SnapshotSource with correct and faulty cameras."""

import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler
from itertools import count, islice
from threading import Event

import pytest
from footage.http_cameras import Answer, plain, trickled
from footage.videos import jpeg

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.errors import SourceUnavailable
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.snapshot import SnapshotSource

CAMERA = CameraId("cam-1")
Serve = Callable[..., str]


def source(
    url: str, clock: ManualClock, losses: FrameLossCounter, *, interval_s: float = 1.0, timeout_s: float = 5, attempts: int | None = 2
) -> SnapshotSource:
    backoff = Backoff(RECONNECT_DELAYS_S)
    return SnapshotSource(CAMERA, url, clock, losses, backoff, interval_s=interval_s, timeout_s=timeout_s, attempts=attempts)


def first(count: int, camera: SnapshotSource) -> list[Frame]:
    return list(islice(camera.frames(), count))


def test_jpegs_are_not_changed_and_requested_once_per_interval(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    frames = first(3, source(serve(*(plain(jpeg(number)) for number in range(9))), clock, losses, interval_s=2.0))
    assert [frame.jpeg for frame in frames] == [jpeg(0), jpeg(1), jpeg(2)]
    assert [(frame.captured_at - BEGIN).total_seconds() for frame in frames] == pytest.approx([0.0, 2.0, 4.0], abs=0.01)
    assert losses.of(CAMERA) == {}


def test_a_repeated_picture_is_counted_as_a_duplicate_and_omitted(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    frames = first(2, source(serve(plain(jpeg(1)), plain(jpeg(1)), plain(jpeg(1)), plain(jpeg(2))), clock, losses))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]
    assert frames[1].sequence - frames[0].sequence == 1
    assert losses.of(CAMERA) == {LossReason.DUPLICATE: 2}


def test_the_etag_is_sent_so_that_a_known_picture_is_not_transferred_again(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter
) -> None:
    etags: list[str | None] = []

    def tagged(request: BaseHTTPRequestHandler) -> None:
        etags.append(request.headers.get("If-None-Match"))
        if len(etags) == 2:
            plain(b"", status=304)(request)
        else:
            plain(jpeg(len(etags)), ETag=f'"{len(etags)}"')(request)

    frames = first(2, source(serve(tagged), clock, losses))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(3)]
    assert etags == [None, '"1"', '"1"']
    assert losses.of(CAMERA) == {LossReason.DUPLICATE: 1}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(jpeg(2)[:700], "truncated after 700 bytes", id="cut off"),
        pytest.param(b"<html>busy</html>", "not a JPEG", id="a web page"),
        pytest.param(b"", "empty: 0 bytes", id="nothing"),
    ],
)
def test_a_damaged_picture_is_counted_and_its_number_is_missing(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter, body: bytes, message: str
) -> None:
    frames = first(2, source(serve(plain(jpeg(1)), plain(body), plain(jpeg(3))), clock, losses))
    assert frames[1].sequence - frames[0].sequence == 2
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 1}
    assert message in (losses.last_detail(CAMERA, LossReason.UNDECODABLE) or "")


def test_a_truncated_response_is_counted(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    def short(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(jpeg(2))))
        request.end_headers()
        request.wfile.write(jpeg(2)[:500])

    frames = first(2, source(serve(plain(jpeg(1)), short, plain(jpeg(3))), clock, losses))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(3)]
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 1}


def test_an_unavailable_camera_is_requested_again_after_increasing_delays(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter
) -> None:
    url = serve(plain(jpeg(1)), *[plain(b"", status=503)] * 3, plain(jpeg(2)))
    frames = first(2, source(url, clock, losses, attempts=9))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]
    assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 3}
    assert sum(clock.slept) == pytest.approx(1 + 0.5 + 1 + 2)  # the interval, then the delays


def test_the_number_of_attempts_is_limited(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    with pytest.raises(SourceUnavailable, match=r"given up after 3 attempts: .*HTTP 404"):
        first(1, source(serve(plain(b"", status=404)), clock, losses, attempts=3))


@pytest.mark.parametrize(
    ("ahead_s", "expected_s"),
    [pytest.param(0, 0.0, id="correct"), pytest.param(90, 90.0, id="ahead"), pytest.param(-3600, -3600.0, id="behind")],
)
def test_the_date_header_gives_the_error_of_the_camera_s_clock(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter, ahead_s: float, expected_s: float
) -> None:
    date = format_datetime(BEGIN + timedelta(seconds=ahead_s), usegmt=True)

    def dated(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(f"HTTP/1.0 200 OK\r\nDate: {date}\r\nContent-Type: image/jpeg\r\n\r\n".encode() + jpeg(1))

    (frame,) = first(1, source(serve(dated), clock, losses))
    assert frame.clock_error_s == pytest.approx(expected_s, abs=0.51)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 10:00:00 GMT"])
def test_an_invalid_date_header_gives_no_clock_error(serve: Serve, clock: ManualClock, losses: FrameLossCounter, date: str) -> None:
    def dated(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(f"HTTP/1.0 200 OK\r\nDate: {date}\r\n\r\n".encode() + jpeg(1))

    (frame,) = first(1, source(serve(dated), clock, losses))
    assert frame.clock_error_s is None


def test_a_camera_that_sends_a_picture_too_slowly_is_reconnected(serve, short_sleep_clock, losses):
    """Each byte arrives in time, but the picture is never complete."""
    never, seconds = Event(), count(0.0, 1.0).__next__
    source = SnapshotSource(
        CAMERA,
        serve(trickled(never), plain(jpeg(2))),
        short_sleep_clock,
        losses,
        Backoff(RECONNECT_DELAYS_S),
        interval_s=0.0,
        timeout_s=5,
        monotonic=seconds,
    )
    frame = next(source.frames())
    never.set()
    source.close()
    assert frame.jpeg == jpeg(2)
    assert losses.of(CAMERA)[LossReason.RECONNECT] == 1


def digest_camera(*offered: str, accepts: str) -> Answer:
    """A camera that offers these challenges and accepts digest authentication with one algorithm."""
    make = {"MD5": md5, "SHA-256": sha256}[accepts]

    def hashed(text: str) -> str:
        return make(text.encode()).hexdigest()

    def answer(request: BaseHTTPRequestHandler) -> None:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))
        secret, place = hashed("admin:IP Camera(1):geheim"), hashed("GET:/")
        wanted = hashed(":".join((secret, given.get("nonce", ""), given.get("nc", ""), given.get("cnonce", ""), "auth", place)))
        if given.get("response") == wanted:
            plain(jpeg(1))(request)
            return
        request.send_response(401)
        for challenge in offered:
            more = "" if challenge == "Basic" else f', qop="auth", nonce="abc{challenge}", algorithm={challenge.partition(" ")[2]}'
            request.send_header("WWW-Authenticate", f'{challenge.partition(" ")[0]} realm="IP Camera(1)"{more}')
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    ("offered", "accepts"),
    [
        pytest.param(("Digest MD5",), "MD5", id="MD5"),
        pytest.param(("Digest SHA-256",), "SHA-256", id="SHA-256"),
        pytest.param(("Digest SHA-256", "Digest MD5"), "SHA-256", id="both"),
        pytest.param(("Basic", "Digest MD5"), "MD5", id="basic and digest"),
        pytest.param(("Digest SHA-512-256", "Digest MD5"), "MD5", id="one that is not supported first"),
    ],
)
def test_digest_authentication(
    serve: Callable[..., str], clock: ManualClock, losses: FrameLossCounter, offered: tuple[str, ...], accepts: str
):
    url = serve(digest_camera(*offered, accepts=accepts)).replace("http://", "http://admin:geheim@")
    camera = SnapshotSource(CAMERA, url, clock, losses, Backoff(RECONNECT_DELAYS_S), attempts=1)
    assert next(camera.frames()).jpeg == jpeg(1)
