"""Conformance checks: valid requests, and requests with exactly one defect, whose replies are compared with the contract.

The frames are grey, and their sequence numbers come from the clock, so that the checks can be repeated. The valid ones are accepted and
forwarded: use a camera that is not in service, or a server that forwards nothing (`etle vendor serve --dry-run`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from etle.protocols import Clock
from etle.types import digest_of
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.contract import FRAMES_PATH, MAX_EVENT_BYTES
from ingest.push_api.errors import STATUS, ErrorCode
from ingest.push_api.pictures import grey_jpeg
from ingest.push_api.samples import RequestSamples

_MAX_RETRIES: Final = 5
_MAX_QUOTA_REQUESTS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The reply that the contract demands. None: any."""

    status: int
    code: str | None = None
    field: str | None = None
    header: str | None = None
    """Name of a header, in lower case, that the reply must have."""

    @classmethod
    def error(cls, code: ErrorCode, field: str | None = None, header: str | None = None) -> "Expected":
        return cls(status=int(STATUS[code]), code=code.value, field=field, header=header)

    def __str__(self) -> str:
        header = [f"a header {self.header}"] if self.header else []
        return ", ".join((str(self.status), *filter(None, (self.code, self.field)), *header))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    request: PushRequest
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    name: str
    passed: bool
    expected: str
    actual: str


class ConformanceSuite:
    """`send` sends a request to the server under test and returns its reply."""

    def __init__(self, send: Callable[[PushRequest], PushReply], camera: str, size: tuple[int, int], secret: str, clock: Clock) -> None:
        """`size`: the camera's frame size, width and height in pixels."""
        self._send = send
        self._clock = clock
        self._samples = RequestSamples(camera, size, secret, clock)

    def run(self) -> Iterator[CheckOutcome]:
        """Yields each outcome as soon as it is known. Raises SourceUnavailable if the server cannot be reached."""
        yield self._check_cameras()
        for checks in (self._valid_frames, self._invalid_headers, self._invalid_frames, self._unauthorized, self._events, self._pictures):
            for check in checks():
                yield _outcome(check.name, check.expected, self._send_with_retry(check.request))

    def _pictures(self) -> Iterator[Check]:
        """Pictures of events; and an event with one, of a device that nobody registered."""
        picture = self._samples.picture()
        yield Check(name="accepts a picture of an event", request=picture, expected=Expected(status=201))
        yield Check(name="recognises a repeated picture", request=picture, expected=Expected(status=200))
        other = self._samples.picture({"Etle-SHA256": "0" * 64})
        yield Check(
            name="rejects a picture of another digest", request=other, expected=Expected.error(ErrorCode.WRONG_DIGEST, "Etle-SHA256")
        )
        broken = self._samples.picture(body=b"no picture")
        yield Check(name="rejects a picture that is none", request=broken, expected=Expected.error(ErrorCode.BROKEN_PICTURE))
        now = self._clock.now().isoformat()
        event = self._samples.event(
            kind="speed",
            device={"model": "etle vendor check", "serial": "etle-vendor-check", "firmware": "1"},
            pictures=[{"role": "at", "sha256": digest_of(picture.body), "captured_at": now}],
        )
        unknown = Expected.error(ErrorCode.UNKNOWN_DEVICE, "device.serial")
        yield Check(name="makes no case for an unknown device", request=self._samples.event_request(event), expected=unknown)

    def quota(self) -> CheckOutcome:
        """Send requests until the server reports that the vendor's quota is used up."""
        expected = Expected.error(ErrorCode.OVER_QUOTA, header="retry-after")
        request = self._samples.cameras()
        reply = self._send(request)
        for _ in range(_MAX_QUOTA_REQUESTS):
            if reply.status != 200:
                break
            reply = self._send(request)
        return _outcome("reports a used-up quota, with the seconds to wait", expected, reply)

    def _check_cameras(self) -> CheckOutcome:
        """Also sets the first sequence number, which must be higher than the camera's last one."""
        reply = self._send_with_retry(self._samples.cameras())
        listed = reply.body.get("cameras", ()) if isinstance(reply.body, dict) else ()
        camera = next((each for each in listed if isinstance(each, dict) and each.get("id") == self._samples.camera), None)
        last = camera.get("last_sequence") if camera else None
        self._samples.sequence = max(round(self._clock.now().timestamp() * 1000), (last or 0) + 1)
        passed = reply.status == 200 and camera is not None and camera.get("frame_size") == list(self._samples.size)
        actual = f"{reply.status}, frame_size {camera.get('frame_size')}" if camera else f"{reply.status}, no {self._samples.camera}"
        expected = f"200, {self._samples.camera} with frame_size {list(self._samples.size)}"
        return CheckOutcome(name="lists the vendor's cameras with their last sequence", passed=passed, expected=expected, actual=actual)

    def _send_with_retry(self, request: PushRequest) -> PushReply:
        """A used-up quota does not fail a check: wait as long as the server says, then send the request again."""
        for _ in range(_MAX_RETRIES):
            reply = self._send(request)
            if reply.status != STATUS[ErrorCode.OVER_QUOTA] or not reply.headers.get("retry-after", "").isdecimal():
                return reply
            self._clock.sleep(int(reply.headers["retry-after"]))
        return reply

    def _valid_frames(self) -> Iterator[Check]:
        accepted, known = Expected(status=201), Expected(status=200)
        first = self._samples.frame()
        yield Check(name="accepts a frame", request=first, expected=accepted)
        yield Check(name="recognises a repeated frame", request=first, expected=known)
        late = {**first.headers, "Etle-Sent-At": (self._clock.now() - timedelta(hours=1)).isoformat()}
        yield Check(name="recognises it whatever Etle-Sent-At says", request=replace(first, headers=late), expected=known)
        other = grey_jpeg(*self._samples.size, comment="other")
        repeated = {"Etle-Sequence": first.headers["Etle-Sequence"]}
        yield Check(
            name="does not replace an accepted frame",
            request=self._samples.frame(repeated, body=other),
            expected=Expected.error(ErrorCode.REUSED),
        )
        lower = {"Etle-Sequence": str(int(first.headers["Etle-Sequence"]) - 1)}
        yield Check(
            name="rejects a sequence that is not higher than the last",
            request=self._samples.frame(lower),
            expected=Expected.error(ErrorCode.OUT_OF_ORDER, "Etle-Sequence"),
        )
        earlier = {"Etle-Captured-At": first.headers["Etle-Captured-At"]}
        yield Check(
            name="rejects a capture time that is not later than the last",
            request=self._samples.frame(earlier),
            expected=Expected.error(ErrorCode.OUT_OF_ORDER, "Etle-Captured-At"),
        )
        self._samples.sequence += 10
        yield Check(name="accepts a frame after a gap in the sequence", request=self._samples.frame(), expected=accepted)
        zulu = self._clock.now().isoformat().replace("+00:00", "Z")
        yield Check(name="accepts a UTC time that ends in Z", request=self._samples.frame({"Etle-Captured-At": zulu}), expected=accepted)

    def _invalid_headers(self) -> Iterator[Check]:
        for name in ("Etle-Camera", "Etle-Sequence", "Etle-Captured-At", "Etle-Sent-At", "Etle-SHA256"):
            yield Check(
                name=f"rejects a frame without {name}",
                request=self._samples.frame(without=name),
                expected=Expected.error(ErrorCode.BAD_HEADER, name),
            )
        invalid = {
            "Etle-Sequence": ("-1", "1.5", "1e3", "0x10", "1" * 19, "9" * 18),
            "Etle-Captured-At": ("2026-11-23", "2026-11-23T10:00:00", "2026-13-23T10:00:00Z", "now"),
            "Etle-Sent-At": ("2026-11-23T10:00:00",),
            "Etle-SHA256": ("abc", "Z" * 64),
        }
        for name, values in invalid.items():
            for value in values:
                request = self._samples.frame({name: value})
                yield Check(name=f"rejects {name}: {value[:24]}", request=request, expected=Expected.error(ErrorCode.BAD_HEADER, name))

    def _invalid_frames(self) -> Iterator[Check]:
        width, height = self._samples.size
        valid = grey_jpeg(width, height)
        broken = Expected.error(ErrorCode.BROKEN_PICTURE)
        yield Check(name="rejects a body that is not a JPEG", request=self._samples.frame(body=b"GIF89a"), expected=broken)
        yield Check(name="rejects a truncated JPEG", request=self._samples.frame(body=valid[:-40]), expected=broken)
        yield Check(name="rejects an empty body", request=self._samples.frame(body=b""), expected=broken)
        yield Check(
            name="rejects a picture that does not have its digest",
            request=self._samples.frame({"Etle-SHA256": digest_of(b"another")}),
            expected=Expected.error(ErrorCode.WRONG_DIGEST, "Etle-SHA256"),
        )
        larger = grey_jpeg(width + 8, height)
        yield Check(
            name="rejects a picture of another size",
            request=self._samples.frame(body=larger),
            expected=Expected.error(ErrorCode.WRONG_SIZE),
        )
        yield Check(
            name="rejects another content type",
            request=self._samples.frame({"Content-Type": "image/png"}),
            expected=Expected.error(ErrorCode.WRONG_TYPE),
        )
        huge = self._samples.frame({"Content-Length": str(10**12)})
        yield Check(name="rejects a body that is too large before reading it", request=huge, expected=Expected.error(ErrorCode.TOO_LARGE))
        hour = timedelta(hours=1)
        for name, sent_at in (("an hour slow", self._clock.now() - hour), ("an hour fast", self._clock.now() + hour)):
            request = self._samples.frame({"Etle-Sent-At": sent_at.isoformat()})
            yield Check(
                name=f"rejects a clock that is {name}", request=request, expected=Expected.error(ErrorCode.WRONG_CLOCK, "Etle-Sent-At")
            )
        tomorrow = self._samples.frame({"Etle-Captured-At": (self._clock.now() + 24 * hour).isoformat()})
        yield Check(
            name="rejects a capture time in the future",
            request=tomorrow,
            expected=Expected.error(ErrorCode.WRONG_CLOCK, "Etle-Captured-At"),
        )

    def _unauthorized(self) -> Iterator[Check]:
        expected = Expected.error(ErrorCode.NOT_SIGNED_IN, "Authorization", "www-authenticate")
        yield Check(name="rejects a request without Authorization", request=self._samples.frame(without="Authorization"), expected=expected)
        for value in ("Bearer not-the-secret-that-was-given", "Basic YTpi", "Bearer"):
            yield Check(
                name=f"rejects Authorization: {value[:10]}", request=self._samples.frame({"Authorization": value}), expected=expected
            )
        unknown = self._samples.frame({"Etle-Camera": "there-is-no-such-camera"})
        yield Check(
            name="rejects a camera that is not the vendor's",
            request=unknown,
            expected=Expected.error(ErrorCode.UNKNOWN_CAMERA, "Etle-Camera"),
        )
        get = PushRequest(method="GET", path=FRAMES_PATH, headers=self._samples.auth_headers)
        yield Check(name="accepts frames by POST only", request=get, expected=Expected.error(ErrorCode.WRONG_METHOD))
        other = PushRequest(method="POST", path="/v999/frames", headers=self._samples.auth_headers)
        yield Check(name="rejects an unknown version", request=other, expected=Expected.error(ErrorCode.NO_SUCH_PATH))

    def _events(self) -> Iterator[Check]:
        valid = self._samples.event()
        yield Check(name="accepts an event", request=self._samples.event_request(valid), expected=Expected(status=201))
        yield Check(name="recognises a repeated event", request=self._samples.event_request(valid), expected=Expected(status=200))
        changed = {**valid, "kind": "stop_line"}
        yield Check(
            name="does not replace an accepted event",
            request=self._samples.event_request(changed),
            expected=Expected.error(ErrorCode.REUSED),
        )
        for field, event in self._invalid_events():
            yield Check(
                name=f"rejects an event with an invalid {field}",
                request=self._samples.event_request(event),
                expected=Expected.error(ErrorCode.BAD_BODY, field),
            )
        for field in ("id", "camera", "kind", "occurred_at", "sent_at", "device"):
            event = {key: value for key, value in self._samples.event().items() if key != field}
            yield Check(
                name=f"rejects an event without {field}",
                request=self._samples.event_request(event),
                expected=Expected.error(ErrorCode.BAD_BODY),
            )
        unknown = self._samples.event_request(self._samples.event(colour="red"))
        yield Check(name="rejects an unknown key", request=unknown, expected=Expected.error(ErrorCode.BAD_BODY))
        other_camera = self._samples.event_request(self._samples.event(camera="there-is-no-such-camera"))
        yield Check(
            name="rejects an event of a camera that is not the vendor's",
            request=other_camera,
            expected=Expected.error(ErrorCode.UNKNOWN_CAMERA, "camera"),
        )
        for body in (b"", b"{", b"[]", b"\xff"):
            yield Check(
                name=f"rejects an event that is {body!r}",
                request=self._samples.raw_event_request(body),
                expected=Expected.error(ErrorCode.BAD_BODY),
            )
        long = self._samples.raw_event_request(b" " * (MAX_EVENT_BYTES + 1))
        yield Check(name="rejects an event that is too large", request=long, expected=Expected.error(ErrorCode.TOO_LARGE))

    def _invalid_events(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "id", self._samples.event(id="")
        yield "kind", self._samples.event(kind="Red Light")
        yield "occurred_at", self._samples.event(occurred_at="2026-11-23T10:00:00")
        yield "sequences[0]", self._samples.event(sequences=[-1])
        yield "vehicle", self._samples.event(vehicle="spaceship")
        yield "plate.text", self._samples.event(plate={"text": "b 1234 xyz"})
        yield "plate.confidence", self._samples.event(plate={"text": "B1234XYZ", "confidence": 1.5})


def _outcome(name: str, expected: Expected, reply: PushReply) -> CheckOutcome:
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    field = error.get("field") if isinstance(error, dict) else None
    passed = (
        reply.status == expected.status
        and (expected.code is None or reply.code == expected.code)
        and (expected.field is None or field == expected.field)
        and (expected.header is None or expected.header in reply.headers)
        and isinstance(reply.body, dict)
    )
    actual = ", ".join(str(part) for part in (reply.status, reply.code, field) if part is not None)
    return CheckOutcome(name=name, passed=passed, expected=str(expected), actual=actual)
