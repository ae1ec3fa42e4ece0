"""What happens to a frame or an event that a vendor's box pushes: checked, signed, handed over, and answered once it is safe.

A frame is a vendor's word: its moment is the box's own, whose clock is compared with ours at each push and refused if it is far off. The
digest is taken on the vendor's box and checked here. Frames of one camera come one after the other: a lower number than the last is
refused, because a reader would leave it out.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from etle.config.site import CameraSettings, Site
from etle.errors import FrameBroken
from etle.protocols import Clock
from etle.types import CameraId, Frame, digest_of
from etle.wire import SCHEMA, Sign, frame_to_wire, signed_part
from ingest.delivery.producer import SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage
from ingest.push_api.contract import CAMERA, SENT_AT, SEQUENCE, SHA256, FrameHeader, VendorEvent, event_of, frame_head, shown
from ingest.push_api.dedup import Deduplicator
from ingest.push_api.errors import ApiError, ErrorCode
from ingest.sources.frames import frame_of

SAFE_WITHIN_S: Final = 10.0
"""Longer than that no answer is waited for: the box sends it again."""
_PUT_WITHIN_S: Final = 2.0
_BUSY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class PushResponse:
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTopics:
    frames: str
    events: str


class PushService:
    """For one event loop."""

    def __init__(
        self,
        site: Site,
        topics: PushTopics,
        outlet: SpooledProducer,
        accepted: Deduplicator,
        sign: Sign,
        clock: Clock,
        *,
        taken: Callable[[Frame], None] = lambda frame: None,
        safe_within_s: float = SAFE_WITHIN_S,
    ) -> None:
        self._cameras = {(camera.source.vendor, camera.id): camera for camera in site.cameras if camera.source.vendor}
        self._clock_s = site.ingest.vendor_clock_s
        self._topics = topics
        self._outlet = outlet
        self._accepted = accepted
        self._sign = sign
        self._clock = clock
        self._taken = taken
        self._safe_within_s = safe_within_s
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def cameras(self, vendor: str) -> PushResponse:
        """What a box has to know to go on after it was switched off: how far its cameras are, and what time it is."""
        mine = [camera for (owner, _), camera in self._cameras.items() if owner == vendor]
        return PushResponse(200, {"now": self._clock.now().isoformat(), "cameras": [self._told(camera) for camera in mine]})

    def head(self, vendor: str, headers: dict[str, str], received_at: datetime) -> FrameHeader:
        """What the headers say, before the picture is read. Raises ApiError."""
        head = frame_head(headers)
        self._camera(vendor, head.camera, shown(CAMERA))
        if self._accepted.frame(head.camera, head.sequence) == head.sha256:
            return head  # a repetition, perhaps with the moment of its first sending
        self._checked_clock(head.sent_at, received_at, shown(SENT_AT))
        if head.sequence > (received_at.timestamp() + self._clock_s) * 1000:
            raise ApiError(
                ErrorCode.BAD_HEADER,
                f"{head.sequence} is more than the milliseconds since 1970: behind such a number a camera could not go on by the clock",
                shown(SEQUENCE),
            )
        if (head.captured_at - received_at).total_seconds() > self._clock_s:
            raise ApiError(ErrorCode.WRONG_CLOCK, f"captured at {head.captured_at.isoformat()}, which has not come yet", "Etle-Captured-At")
        return head

    async def frame(self, vendor: str, head: FrameHeader, received_at: datetime, body: bytes) -> PushResponse:
        """201 when it is safe, 200 if it was before. Raises ApiError."""
        camera = self._camera(vendor, head.camera, shown(CAMERA))
        frame = self._framed(camera, head, received_at, body)
        said = {"camera": frame.camera, "sequence": frame.sequence}
        async with self._turns[camera.id]:
            if self._known(self._accepted.frame(camera.id, head.sequence), frame.sha256, f"frame {head.sequence} of {camera.id}"):
                return PushResponse(200, {"status": "known", **said})
            self._check_order(frame)
            headers, value = frame_to_wire(frame, self._sign)
            await self._keep(
                camera.camera_id, OutgoingMessage(topic=self._topics.frames, key=camera.id.encode(), headers=tuple(headers), value=value)
            )
            self._accepted.add_frame(camera.id, frame.sequence, frame.sha256, frame.captured_at)
        self._taken(frame)
        return PushResponse(201, {"status": "accepted", **said})

    async def event(self, vendor: str, received_at: datetime, body: bytes) -> PushResponse:
        """As `frame`."""
        event = event_of(body)
        camera = self._camera(vendor, event.camera, "camera")
        said = {"id": event.id}
        async with self._turns[f"events of {vendor}"]:
            if self._known(self._accepted.event(vendor, event.id), digest_of(body), f"event {event.id!r}"):
                return PushResponse(200, {"status": "known", **said})
            error_s = self._checked_clock(event.sent_at, received_at, "sent_at")
            await self._keep(camera.camera_id, self._claimed(vendor, event, received_at, error_s, body))
            self._accepted.add_event(vendor, event.id, digest_of(body))
        return PushResponse(201, {"status": "accepted", **said})

    def _told(self, camera: CameraSettings) -> Mapping[str, Any]:
        last = self._accepted.last(camera.id)
        return {
            "id": camera.id,
            "frame_size": camera.frame_size,
            "last_sequence": last.sequence if last else None,
            "last_captured_at": last.captured_at.isoformat() if last else None,
        }

    def _camera(self, vendor: str, name: str, field: str) -> CameraSettings:
        """Another vendor's camera is unknown to this one."""
        camera = self._cameras.get((vendor, name))
        if camera is None:
            raise ApiError(ErrorCode.UNKNOWN_CAMERA, f"you have no camera {name[:64]!r} at this site", field)
        return camera

    def _checked_clock(self, sent_at: datetime, received_at: datetime, field: str) -> float:
        """By how much the box's clock is ahead of ours; what the request took on its way is in it."""
        error_s = (sent_at - received_at).total_seconds()
        if abs(error_s) > self._clock_s:
            raise ApiError(
                ErrorCode.WRONG_CLOCK, f"the box's clock is off by {error_s:.1f} s; {self._clock_s:g} s are the most. Set it by NTP", field
            )
        return error_s

    def _framed(self, camera: CameraSettings, head: FrameHeader, received_at: datetime, body: bytes) -> Frame:
        try:
            frame = frame_of(
                camera.camera_id,
                head.sequence,
                body,
                captured_at=head.captured_at,
                received_at=received_at,
                clock_error_s=round((head.sent_at - received_at).total_seconds(), 6),
            )
        except FrameBroken as error:
            raise ApiError(ErrorCode.BROKEN_PICTURE, f"the body is not one whole JPEG: {error}") from error
        if frame.sha256 != head.sha256:
            raise ApiError(ErrorCode.WRONG_DIGEST, f"the body has the digest {frame.sha256}: it was changed on the way", shown(SHA256))
        if (frame.width, frame.height) != camera.frame_size:
            wanted = "x".join(map(str, camera.frame_size))
            raise ApiError(ErrorCode.WRONG_SIZE, f"the picture is {frame.width}x{frame.height}; what is drawn for {camera.id} is {wanted}")
        return frame

    def _known(self, before: str | None, digest: str, what: str) -> bool:
        if before is not None and before != digest:
            raise ApiError(ErrorCode.REUSED, f"{what} was taken with other bytes; evidence is never overwritten")
        return before is not None

    def _check_order(self, frame: Frame) -> None:
        last = self._accepted.last(frame.camera)
        if last is None:
            return
        if frame.sequence <= last.sequence:
            raise ApiError(
                ErrorCode.OUT_OF_ORDER, f"sequence {frame.sequence} after {last.sequence}: numbers rise, for ever", "Etle-Sequence"
            )
        if frame.captured_at <= last.captured_at:
            raise ApiError(
                ErrorCode.OUT_OF_ORDER, f"captured at {frame.captured_at.isoformat()}, not after the last frame", "Etle-Captured-At"
            )

    def _claimed(self, vendor: str, event: VendorEvent, received_at: datetime, error_s: float, body: bytes) -> OutgoingMessage:
        headers = [
            ("schema", str(SCHEMA).encode()),
            ("vendor", vendor.encode()),
            ("camera", event.camera.encode()),
            ("id", event.id.encode()),
            ("received_at", received_at.isoformat().encode()),
            ("clock_error_s", f"{error_s:.6f}".encode()),
            ("sha256", digest_of(body).encode()),
        ]
        headers.append(("signature", self._sign(signed_part(headers))))
        return OutgoingMessage(topic=self._topics.events, key=event.camera.encode(), headers=tuple(headers), value=body)

    async def _keep(self, camera: CameraId, message: OutgoingMessage) -> None:
        """Returns when it is safe. Raises Refused: then it may be, and is sent again."""
        loop = asyncio.get_running_loop()
        safe: asyncio.Future[DeliveryStatus] = loop.create_future()

        def kept(fate: DeliveryStatus) -> None:
            loop.call_soon_threadsafe(_settle, safe, fate)

        outgoing = QueuedMessage(camera=camera, message=message, kept=kept)
        if not await asyncio.to_thread(self._outlet.put, outgoing, _PUT_WITHIN_S):
            raise ApiError(ErrorCode.BUSY, "there is no room left here; keep it and send it again", retry_after_s=_BUSY_S)
        try:
            fate = await asyncio.wait_for(safe, self._safe_within_s)
        except TimeoutError as error:
            raise ApiError(ErrorCode.BUSY, "it is not safe yet; send it again", retry_after_s=_BUSY_S) from error
        if fate is DeliveryStatus.LOST:
            raise ApiError(ErrorCode.BUSY, "our broker does not take it; tell us", retry_after_s=60)


def _settle(safe: "asyncio.Future[DeliveryStatus]", fate: DeliveryStatus) -> None:
    """Nobody waits any more for one that came late."""
    if not safe.done():
        safe.set_result(fate)
