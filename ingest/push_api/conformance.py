"""What anybody can ask a door, to see whether it keeps the contract: good requests, and bad ones that have one fault each.

The frames are grey and numbered by the clock, so that the check can be repeated. The good ones are taken: it is for a camera that is not in
service yet, or for a door that sends nothing on (`etle vendor serve --dry`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from etle.protocols import Clock
from etle.types import digest_of
from ingest.push_api.client import PushReply, PushRequest
from ingest.push_api.contract import LARGEST_EVENT, VERSION
from ingest.push_api.errors import STATUS, ErrorCode
from ingest.push_api.pictures import grey_jpeg
from ingest.push_api.samples import FRAMES, Samples

_AGAIN_AT_MOST: Final = 5
_QUOTA_AT_MOST: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the contract says comes of a request."""

    status: int
    code: str | None = None
    field: str | None = None
    header: str | None = None

    @classmethod
    def refusal(cls, fault: ErrorCode, field: str | None = None, header: str | None = None) -> "Expected":
        return cls(status=int(STATUS[fault]), code=fault.value, field=field, header=header)

    def __str__(self) -> str:
        more = [f"a header {self.header}"] if self.header else []
        return ", ".join((str(self.status), *filter(None, (self.code, self.field)), *more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    request: PushRequest
    wanted: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    name: str
    passed: bool
    wanted: str
    came: str


class ConformanceSuite:
    """`ask` brings a request to the door and its reply back."""

    def __init__(self, ask: Callable[[PushRequest], PushReply], camera: str, size: tuple[int, int], secret: str, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._made = Samples(camera, size, secret, clock)

    def run(self) -> Iterator[CheckOutcome]:
        """Each as soon as it is known. Raises SourceUnavailable if the door cannot be reached."""
        yield self._begin()
        for cases in (self._good_frames, self._bad_headers, self._bad_frames, self._strangers, self._events):
            for case in cases():
                yield self._judged(case)

    def quota(self) -> CheckOutcome:
        """Asks until the door says that it is too much. It is the vendor's quota that is used up."""
        wanted = Expected.refusal(ErrorCode.OVER_QUOTA, header="retry-after")
        request = PushRequest(method="GET", path=f"/{VERSION}/cameras", headers=self._made.signed_in)
        reply = self._ask(request)
        for _ in range(_QUOTA_AT_MOST):
            if reply.status != 200:
                break
            reply = self._ask(request)
        return _result("says when it is too much, and for how long", wanted, reply)

    def _begin(self) -> CheckOutcome:
        reply = self._patiently(PushRequest(method="GET", path=f"/{VERSION}/cameras", headers=self._made.signed_in))
        listed = reply.body.get("cameras", ()) if isinstance(reply.body, dict) else ()
        mine = next((each for each in listed if isinstance(each, dict) and each.get("id") == self._made.camera), None)
        last = mine.get("last_sequence") if mine else None
        self._made.sequence = max(round(self._clock.now().timestamp() * 1000), (last or 0) + 1)
        passed = reply.status == 200 and mine is not None and mine.get("frame_size") == list(self._made.size)
        came = f"{reply.status}, frame_size {mine.get('frame_size')}" if mine else f"{reply.status}, no {self._made.camera}"
        wanted = f"200, {self._made.camera} with frame_size {list(self._made.size)}"
        return CheckOutcome(name="tells a box its cameras and how far they are", passed=passed, wanted=wanted, came=came)

    def _judged(self, case: Check) -> CheckOutcome:
        return _result(case.name, case.wanted, self._patiently(case.request))

    def _patiently(self, request: PushRequest) -> PushReply:
        """A quota that is used up is no fault: the door says when it is filled again."""
        for _ in range(_AGAIN_AT_MOST):
            reply = self._ask(request)
            if reply.status != STATUS[ErrorCode.OVER_QUOTA] or not reply.headers.get("retry-after", "").isdecimal():
                return reply
            self._clock.sleep(int(reply.headers["retry-after"]))
        return reply

    def _good_frames(self) -> Iterator[Check]:
        taken, known = Expected(status=201), Expected(status=200)
        first = self._made.frame()
        yield Check(name="takes a frame", request=first, wanted=taken)
        yield Check(name="knows a frame that is sent again", request=first, wanted=known)
        late = {**first.headers, "Etle-Sent-At": (self._clock.now() - timedelta(hours=1)).isoformat()}
        yield Check(name="knows it whatever the clock says meanwhile", request=replace(first, headers=late), wanted=known)
        other = grey_jpeg(*self._made.size, remark="other")
        again = {"Etle-Sequence": first.headers["Etle-Sequence"]}
        yield Check(name="keeps a frame's bytes", request=self._made.frame(again, body=other), wanted=Expected.refusal(ErrorCode.REUSED))
        lower = {"Etle-Sequence": str(int(first.headers["Etle-Sequence"]) - 1)}
        yield Check(
            name="refuses a number that is not higher",
            request=self._made.frame(lower),
            wanted=Expected.refusal(ErrorCode.OUT_OF_ORDER, "Etle-Sequence"),
        )
        earlier = {"Etle-Captured-At": first.headers["Etle-Captured-At"]}
        yield Check(
            name="refuses a moment that is not later",
            request=self._made.frame(earlier),
            wanted=Expected.refusal(ErrorCode.OUT_OF_ORDER, "Etle-Captured-At"),
        )
        self._made.sequence += 10
        yield Check(name="takes a frame behind a gap", request=self._made.frame(), wanted=taken)
        zulu = self._clock.now().isoformat().replace("+00:00", "Z")
        yield Check(name="takes a moment in UTC as Z", request=self._made.frame({"Etle-Captured-At": zulu}), wanted=taken)

    def _bad_headers(self) -> Iterator[Check]:
        for name in ("Etle-Camera", "Etle-Sequence", "Etle-Captured-At", "Etle-Sent-At", "Etle-SHA256"):
            yield Check(
                name=f"names {name} if it is missing",
                request=self._made.frame(without=name),
                wanted=Expected.refusal(ErrorCode.BAD_HEADER, name),
            )
        wrong = {
            "Etle-Sequence": ("-1", "1.5", "1e3", "0x10", "1" * 19, "9" * 18),
            "Etle-Captured-At": ("2026-11-23", "2026-11-23T10:00:00", "2026-13-23T10:00:00Z", "now"),
            "Etle-Sent-At": ("2026-11-23T10:00:00",),
            "Etle-SHA256": ("abc", "Z" * 64),
        }
        for name, values in wrong.items():
            for value in values:
                request = self._made.frame({name: value})
                yield Check(name=f"refuses {name}: {value[:24]}", request=request, wanted=Expected.refusal(ErrorCode.BAD_HEADER, name))

    def _bad_frames(self) -> Iterator[Check]:
        width, height = self._made.size
        good = grey_jpeg(width, height)
        broken = Expected.refusal(ErrorCode.BROKEN_PICTURE)
        yield Check(name="refuses what is no JPEG", request=self._made.frame(body=b"GIF89a"), wanted=broken)
        yield Check(name="refuses a JPEG that breaks off", request=self._made.frame(body=good[:-40]), wanted=broken)
        yield Check(name="refuses a frame without a picture", request=self._made.frame(body=b""), wanted=broken)
        yield Check(
            name="finds a picture that was changed on its way",
            request=self._made.frame({"Etle-SHA256": digest_of(b"another")}),
            wanted=Expected.refusal(ErrorCode.WRONG_DIGEST, "Etle-SHA256"),
        )
        larger = grey_jpeg(width + 8, height)
        yield Check(
            name="refuses a picture of another size", request=self._made.frame(body=larger), wanted=Expected.refusal(ErrorCode.WRONG_SIZE)
        )
        yield Check(
            name="refuses another type",
            request=self._made.frame({"Content-Type": "image/png"}),
            wanted=Expected.refusal(ErrorCode.WRONG_TYPE),
        )
        huge = self._made.frame({"Content-Length": str(10**12)})
        yield Check(name="refuses a body that is too large before it comes", request=huge, wanted=Expected.refusal(ErrorCode.TOO_LARGE))
        hour = timedelta(hours=1)
        for name, moment in (("an hour behind", self._clock.now() - hour), ("an hour ahead", self._clock.now() + hour)):
            request = self._made.frame({"Etle-Sent-At": moment.isoformat()})
            yield Check(
                name=f"refuses a clock that is {name}", request=request, wanted=Expected.refusal(ErrorCode.WRONG_CLOCK, "Etle-Sent-At")
            )
        tomorrow = self._made.frame({"Etle-Captured-At": (self._clock.now() + 24 * hour).isoformat()})
        yield Check(
            name="refuses a picture of tomorrow", request=tomorrow, wanted=Expected.refusal(ErrorCode.WRONG_CLOCK, "Etle-Captured-At")
        )

    def _strangers(self) -> Iterator[Check]:
        stranger = Expected.refusal(ErrorCode.NOT_SIGNED_IN, "Authorization", "www-authenticate")
        yield Check(name="refuses who does not sign in", request=self._made.frame(without="Authorization"), wanted=stranger)
        for value in ("Bearer not-the-secret-that-was-given", "Basic YTpi", "Bearer"):
            yield Check(name=f"refuses Authorization: {value[:10]}", request=self._made.frame({"Authorization": value}), wanted=stranger)
        unknown = self._made.frame({"Etle-Camera": "there-is-no-such-camera"})
        yield Check(
            name="refuses a camera that is not yours", request=unknown, wanted=Expected.refusal(ErrorCode.UNKNOWN_CAMERA, "Etle-Camera")
        )
        get = PushRequest(method="GET", path=FRAMES, headers=self._made.signed_in)
        yield Check(name="takes frames by POST only", request=get, wanted=Expected.refusal(ErrorCode.WRONG_METHOD))
        other = PushRequest(method="POST", path="/v999/frames", headers=self._made.signed_in)
        yield Check(name="knows its versions", request=other, wanted=Expected.refusal(ErrorCode.NO_SUCH_PATH))

    def _events(self) -> Iterator[Check]:
        good = self._made.event()
        yield Check(name="takes an event", request=self._made.posted(good), wanted=Expected(status=201))
        yield Check(name="knows an event that is sent again", request=self._made.posted(good), wanted=Expected(status=200))
        changed = {**good, "kind": "stop_line"}
        yield Check(name="keeps an event as it came", request=self._made.posted(changed), wanted=Expected.refusal(ErrorCode.REUSED))
        for field, event in self._bad_events():
            yield Check(
                name=f"refuses an event's {field}", request=self._made.posted(event), wanted=Expected.refusal(ErrorCode.BAD_BODY, field)
            )
        for field in ("id", "camera", "kind", "occurred_at", "sent_at", "device"):
            event = {key: value for key, value in self._made.event().items() if key != field}
            yield Check(
                name=f"refuses an event without {field}", request=self._made.posted(event), wanted=Expected.refusal(ErrorCode.BAD_BODY)
            )
        unknown = self._made.posted(self._made.event(colour="red"))
        yield Check(name="refuses a key that it does not know", request=unknown, wanted=Expected.refusal(ErrorCode.BAD_BODY))
        stranger = self._made.posted(self._made.event(camera="there-is-no-such-camera"))
        yield Check(
            name="refuses an event of another camera", request=stranger, wanted=Expected.refusal(ErrorCode.UNKNOWN_CAMERA, "camera")
        )
        for body in (b"", b"{", b"[]", b"\xff"):
            yield Check(
                name=f"refuses an event that is {body!r}", request=self._made.raw(body), wanted=Expected.refusal(ErrorCode.BAD_BODY)
            )
        long = self._made.raw(b" " * (LARGEST_EVENT + 1))
        yield Check(name="refuses an event that is too large", request=long, wanted=Expected.refusal(ErrorCode.TOO_LARGE))

    def _bad_events(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "id", self._made.event(id="")
        yield "kind", self._made.event(kind="Red Light")
        yield "occurred_at", self._made.event(occurred_at="2026-11-23T10:00:00")
        yield "sequences[0]", self._made.event(sequences=[-1])
        yield "vehicle", self._made.event(vehicle="spaceship")
        yield "plate.text", self._made.event(plate={"text": "b 1234 xyz"})
        yield "plate.confidence", self._made.event(plate={"text": "B1234XYZ", "confidence": 1.5})


def _result(name: str, wanted: Expected, reply: PushReply) -> CheckOutcome:
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    field = error.get("field") if isinstance(error, dict) else None
    passed = (
        reply.status == wanted.status
        and (wanted.code is None or reply.code == wanted.code)
        and (wanted.field is None or field == wanted.field)
        and (wanted.header is None or wanted.header in reply.headers)
        and isinstance(reply.body, dict)
    )
    came = ", ".join(str(part) for part in (reply.status, reply.code, field) if part is not None)
    return CheckOutcome(name=name, passed=passed, wanted=str(wanted), came=came)
