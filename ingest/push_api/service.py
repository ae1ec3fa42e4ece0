"""Handles each pushed frame or event: validate, sign, hand over for delivery, and answer once the message is safe.

The capture time of a frame comes from the vendor's device. Its clock is compared with ours at each request, and the request is rejected if
they differ by too much. The digest is computed on the device and verified here. Frames of one camera must arrive in order: a sequence
number that is not higher than the last one is rejected, because consumers would drop the frame.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from etle.config.site import CameraSettings, Site
from etle.errors import FrameBroken
from etle.media import jpeg
from etle.media.exif import orientation_of
from etle.protocols import Clock
from etle.types import CameraId, Digest, Frame, digest_of
from etle.wire import SCHEMA, Sign, frame_to_wire, signed_part, violation_headers, violation_message_to_wire
from ingest.delivery.producer import SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage
from ingest.push_api.contract import (
    CAMERA,
    CAPTURED_AT,
    MAX_AGE,
    SENT_AT,
    SEQUENCE,
    SHA256,
    SIGNATURE,
    FrameHeader,
    VendorEvent,
    display_name,
    parse_event,
    parse_frame_header,
    parse_picture_header,
    parse_sent_at,
)
from ingest.push_api.dedup import Deduplicator
from ingest.push_api.errors import ApiError, ErrorCode
from ingest.push_api.event_case import EventCaseBuilder
from ingest.push_api.picture_store import PictureStore
from ingest.sources.frames import frame_of

DELIVERY_TIMEOUT_S: Final = 10.0
"""Answer `busy` if a message is not safe after this time; the device sends it again."""
PARSER_THREADS: Final = 4
"""Digests and JPEG headers are computed outside of the event loop, which answers all devices."""
_PADDING: Final = b"\0\r\n"
BROKEN_PAUSE_S: Final = 0.25
"""A vendor that sends nothing but hostile pictures has four a second checked, however fast it sends."""
_PUT_TIMEOUT_S: Final = 2.0
_RETRY_AFTER_S: Final = 5.0


def _check_age(moment: datetime, received_at: datetime, field: str) -> None:
    """Raises ApiError."""
    if received_at - moment > MAX_AGE:
        raise ApiError(
            ErrorCode.WRONG_CLOCK, f"{moment.isoformat()} is more than {MAX_AGE.days} days ago: was the device's clock right?", field
        )


def _check_picture(body: bytes) -> None:
    """The bytes are signed evidence: nothing is cut off or turned here. Raises ApiError."""
    if behind := body[jpeg.end_of(body) :].strip(_PADDING):
        raise ApiError(ErrorCode.BROKEN_PICTURE, f"{len(behind)} bytes follow the end of the JPEG; send the picture only")
    if orientation_of(body) != 1:
        raise ApiError(ErrorCode.BROKEN_PICTURE, "the EXIF orientation of the JPEG is not 1: turn the picture before its digest is taken")


def _check_digest(found: Digest, named: Digest) -> None:
    """Raises ApiError."""
    if found != named:
        raise ApiError(ErrorCode.WRONG_DIGEST, f"the body has the digest {found}: it was changed on the way", display_name(SHA256))


@dataclass(frozen=True, slots=True)
class PushResponse:
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTopics:
    frames: str
    events: str
    violations: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCases:
    """What makes cases of events: the registered devices, and the pictures that were sent. `sign`: signs violations; None: unsigned."""

    builder: EventCaseBuilder
    pictures: PictureStore
    sign: Sign | None


class PushService:
    """For one event loop."""

    def __init__(
        self,
        site: Site,
        topics: PushTopics,
        producer: SpooledProducer,
        dedup: Deduplicator,
        sign: Sign,
        clock: Clock,
        event_cases: EventCases,
        *,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
        broken_pause_s: float = BROKEN_PAUSE_S,
    ) -> None:
        """`on_frame` is called with each frame that was accepted for the first time. `broken_pause_s`: for how long the vendor's next
        picture waits after one that is broken."""
        self._cameras = {(vendor, camera.id): camera for camera in site.cameras if (vendor := camera.source.pushed_by)}
        self._max_clock_error_s = site.ingest.vendor_clock_s
        self._topics = topics
        self._producer = producer
        self._dedup = dedup
        self._sign = sign
        self._clock = clock
        self._event_cases = event_cases
        self._max_violation_bytes = round(site.broker.violations.largest_mb * 1_000_000)
        self._on_frame = on_frame
        self._delivery_timeout_s = delivery_timeout_s
        self._broken_pause_s = broken_pause_s
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._parsing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._parsers = ThreadPoolExecutor(PARSER_THREADS, "push-parse")

    def cameras(self, vendor: str) -> PushResponse:
        """The vendor's cameras, the last frame of each, and the server's time: what a device needs to continue after a restart."""
        cameras = [camera for (owner, _), camera in self._cameras.items() if owner == vendor]
        return PushResponse(200, {"now": self._clock.now().isoformat(), "cameras": [self._camera_state(camera) for camera in cameras]})

    def check_frame_header(self, vendor: str, headers: dict[str, str], received_at: datetime) -> FrameHeader:
        """Parse and check the headers of a frame before its body is read. Raises ApiError."""
        header = parse_frame_header(headers)
        self._camera(vendor, header.camera, display_name(CAMERA))
        if self._dedup.frame(header.camera, header.sequence) == header.sha256:
            return header  # a repetition, perhaps with the Etle-Sent-At of the first attempt
        self._clock_error_s(header.sent_at, received_at, display_name(SENT_AT))
        if header.sequence > (received_at.timestamp() + self._max_clock_error_s) * 1000:
            raise ApiError(
                ErrorCode.BAD_HEADER,
                f"{header.sequence} is higher than the milliseconds since 1970; "
                "a device that numbers its frames by its clock could not continue after it",
                display_name(SEQUENCE),
            )
        _check_age(header.captured_at, received_at, display_name(CAPTURED_AT))
        if (header.captured_at - received_at).total_seconds() > self._max_clock_error_s:
            raise ApiError(
                ErrorCode.WRONG_CLOCK, f"the capture time {header.captured_at.isoformat()} is in the future", display_name(CAPTURED_AT)
            )
        return header

    async def frame(self, vendor: str, header: FrameHeader, received_at: datetime, body: bytes) -> PushResponse:
        """201 once the frame is safe, 200 if it was accepted before. Raises ApiError."""
        camera = self._camera(vendor, header.camera, display_name(CAMERA))
        async with self._parsing[vendor]:  # one at a time of a vendor, so that a hostile one does not take the threads from the others
            loop = asyncio.get_running_loop()
            try:
                frame = await loop.run_in_executor(self._parsers, self._checked_frame, camera, header, received_at, body)
            except ApiError:
                await asyncio.sleep(self._broken_pause_s)
                raise
        identity = {"camera": frame.camera, "sequence": frame.sequence}
        async with self._locks[camera.id]:
            accepted = self._dedup.frame(camera.id, header.sequence)
            if self._is_repetition(accepted, frame.sha256, f"frame {header.sequence} of {camera.id}"):
                return PushResponse(200, {"status": "known", **identity})
            self._check_order(frame)
            headers, value = frame_to_wire(frame, self._sign)
            await self._deliver(
                camera.camera_id, OutgoingMessage(topic=self._topics.frames, key=camera.id.encode(), headers=tuple(headers), value=value)
            )
            self._dedup.add_frame(camera.id, frame.sequence, frame.sha256, frame.captured_at)
        self._on_frame(frame)
        return PushResponse(201, {"status": "accepted", **identity})

    def check_picture_header(self, vendor: str, headers: dict[str, str]) -> Digest:
        """The digest that the picture of an event should have. Raises ApiError."""
        camera, digest = parse_picture_header(headers)
        self._camera(vendor, camera, display_name(CAMERA))
        return digest

    async def picture(self, vendor: str, digest: Digest, body: bytes) -> PushResponse:
        """201 once the picture of an event is on this server's disk, 200 if it was before. Raises ApiError."""
        async with self._parsing[vendor]:
            try:
                new = await asyncio.get_running_loop().run_in_executor(self._parsers, self._stored_picture, vendor, digest, body)
            except ApiError:
                await asyncio.sleep(self._broken_pause_s)
                raise
        return PushResponse(201 if new else 200, {"status": "accepted" if new else "known", "sha256": digest})

    async def event(self, vendor: str, headers: dict[str, str], received_at: datetime, body: bytes) -> PushResponse:
        """201 once the event is safe, 200 if it was accepted before. Raises ApiError.

        The headers may have the device's signature, and when this request is sent: a retry has the same bytes, whose `sent_at` is old.
        """
        sent_at = parse_sent_at(headers)
        async with self._parsing[vendor]:
            event = await asyncio.get_running_loop().run_in_executor(self._parsers, parse_event, body)
        camera = self._camera(vendor, event.camera, "camera")
        identity = {"id": event.id}
        async with self._locks[f"events of {vendor}"]:
            if self._is_repetition(self._dedup.event(vendor, event.id), digest_of(body), f"event {event.id!r}"):
                return PushResponse(200, {"status": "known", **identity})
            field = "sent_at" if sent_at is None else display_name(SENT_AT)
            clock_error_s = self._clock_error_s(sent_at or event.sent_at, received_at, field)
            _check_age(event.occurred_at, received_at, "occurred_at")
            if (event.occurred_at - received_at).total_seconds() > self._max_clock_error_s:
                raise ApiError(ErrorCode.WRONG_CLOCK, f"occurred_at {event.occurred_at.isoformat()} is in the future", "occurred_at")
            if self._event_cases.builder.is_case(vendor, event):
                violation, message = await self._case_message(vendor, camera, event, body, headers.get(SIGNATURE, ""))
                await self._deliver(camera.camera_id, message)
                identity["case"] = violation
            await self._deliver(camera.camera_id, self._event_message(vendor, event, received_at, clock_error_s, body))
            self._dedup.add_event(vendor, event.id, digest_of(body))
        return PushResponse(201, {"status": "accepted", **identity})

    async def _case_message(
        self, vendor: str, camera: CameraSettings, event: VendorEvent, body: bytes, signature: str
    ) -> tuple[str, OutgoingMessage]:
        """The id of the violation, and its message. Raises ApiError."""
        pictures, builder = self._event_cases.pictures, self._event_cases.builder
        found = await asyncio.get_running_loop().run_in_executor(
            self._parsers, lambda: builder.message(vendor, camera, event, body, signature, lambda digest: pictures.get(vendor, digest))
        )
        value = violation_message_to_wire(found)
        if len(value) > self._max_violation_bytes:
            raise ApiError(
                ErrorCode.TOO_LARGE, f"event and pictures have {len(value)} bytes; at most {self._max_violation_bytes} are stored"
            )
        headers = tuple(violation_headers(value, self._event_cases.sign))
        id_ = str(found.violation.id)
        return id_, OutgoingMessage(topic=self._topics.violations, key=id_.encode(), headers=headers, value=value)

    def _stored_picture(self, vendor: str, digest: Digest, body: bytes) -> bool:
        try:
            jpeg.size_of(body)
        except FrameBroken as error:
            raise ApiError(ErrorCode.BROKEN_PICTURE, f"the body is not one whole JPEG: {error}") from error
        _check_picture(body)
        _check_digest(digest_of(body), digest)
        return self._event_cases.pictures.put(vendor, digest, body)

    def _camera_state(self, camera: CameraSettings) -> Mapping[str, Any]:
        last = self._dedup.last(camera.id)
        return {
            "id": camera.id,
            "frame_size": camera.frame_size,
            "last_sequence": last.sequence if last else None,
            "last_captured_at": last.captured_at.isoformat() if last else None,
        }

    def _camera(self, vendor: str, name: str, field: str) -> CameraSettings:
        """Raises ApiError for another vendor's camera as for an unknown one."""
        camera = self._cameras.get((vendor, name))
        if camera is None:
            raise ApiError(ErrorCode.UNKNOWN_CAMERA, f"the vendor has no camera {name[:64]!r} at this site", field)
        return camera

    def _clock_error_s(self, sent_at: datetime, received_at: datetime, field: str) -> float:
        """Device's clock minus ours, in seconds; includes the transmission time of the request. Raises ApiError if it is too large."""
        error_s = (sent_at - received_at).total_seconds()
        if abs(error_s) > self._max_clock_error_s:
            raise ApiError(
                ErrorCode.WRONG_CLOCK,
                f"the device's clock is off by {error_s:.1f} s; at most {self._max_clock_error_s:g} s are accepted. Set it by NTP",
                field,
            )
        return error_s

    def _checked_frame(self, camera: CameraSettings, header: FrameHeader, received_at: datetime, body: bytes) -> Frame:
        try:
            frame = frame_of(
                camera.camera_id,
                header.sequence,
                body,
                captured_at=header.captured_at,
                received_at=received_at,
                clock_error_s=round((header.sent_at - received_at).total_seconds(), 6),
            )
        except FrameBroken as error:
            raise ApiError(ErrorCode.BROKEN_PICTURE, f"the body is not one whole JPEG: {error}") from error
        _check_picture(body)
        _check_digest(frame.sha256, header.sha256)
        if (frame.width, frame.height) != camera.frame_size:
            size = "x".join(map(str, camera.frame_size))
            raise ApiError(
                ErrorCode.WRONG_SIZE, f"the picture is {frame.width}x{frame.height}; the site file has frame_size {size} for {camera.id}"
            )
        return frame

    def _is_repetition(self, accepted: str | None, digest: str, subject: str) -> bool:
        """`accepted`: digest under which the same number or id was accepted, None if it was not. Raises ApiError if it is another one."""
        if accepted is not None and accepted != digest:
            raise ApiError(ErrorCode.REUSED, f"{subject} was accepted with other bytes; evidence is never overwritten")
        return accepted is not None

    def _check_order(self, frame: Frame) -> None:
        last = self._dedup.last(frame.camera)
        if last is None:
            return
        if frame.sequence <= last.sequence:
            raise ApiError(
                ErrorCode.OUT_OF_ORDER,
                f"sequence {frame.sequence} after {last.sequence}: sequence numbers must always rise",
                display_name(SEQUENCE),
            )
        if frame.captured_at <= last.captured_at:
            raise ApiError(
                ErrorCode.OUT_OF_ORDER,
                f"the capture time {frame.captured_at.isoformat()} is not later than that of the last frame",
                display_name(CAPTURED_AT),
            )

    def _event_message(self, vendor: str, event: VendorEvent, received_at: datetime, clock_error_s: float, body: bytes) -> OutgoingMessage:
        headers = [
            ("schema", str(SCHEMA).encode()),
            ("vendor", vendor.encode()),
            ("camera", event.camera.encode()),
            ("id", event.id.encode()),
            ("received_at", received_at.isoformat().encode()),
            ("clock_error_s", f"{clock_error_s:.6f}".encode()),
            ("sha256", digest_of(body).encode()),
        ]
        headers.append(("signature", self._sign(signed_part(headers))))
        return OutgoingMessage(topic=self._topics.events, key=event.camera.encode(), headers=tuple(headers), value=body)

    async def _deliver(self, camera: CameraId, message: OutgoingMessage) -> None:
        """Returns when the message is in the broker or the spool. Raises ApiError otherwise; it may still be delivered, so that the device
        must send it again."""
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[DeliveryStatus] = loop.create_future()

        def on_status(status: DeliveryStatus) -> None:
            loop.call_soon_threadsafe(_set_result, delivered, status)

        queued = QueuedMessage(camera=camera, message=message, on_status=on_status)
        if not await asyncio.to_thread(self._producer.put, queued, _PUT_TIMEOUT_S):
            raise ApiError(ErrorCode.BUSY, "the queue is full; keep the message and send it again", retry_after_s=_RETRY_AFTER_S)
        try:
            status = await asyncio.wait_for(delivered, self._delivery_timeout_s)
        except TimeoutError as error:
            raise ApiError(ErrorCode.BUSY, "the message is not safe yet; send it again", retry_after_s=_RETRY_AFTER_S) from error
        if status is DeliveryStatus.LOST:
            raise ApiError(ErrorCode.BUSY, "the broker rejects the message; tell the operator of this server", retry_after_s=60)


def _set_result(delivered: "asyncio.Future[DeliveryStatus]", status: DeliveryStatus) -> None:
    """Ignores a status that comes after the timeout: the request has been answered."""
    if not delivered.done():
        delivered.set_result(status)
