"""The frames of a camera together with what the controllers of its signals reported meanwhile.

The messages travel with the frames, signed and in one order with them, so that a replay of the frames is a replay of the signals.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from etle.config.signal_feed import SignalFeed
from etle.config.site import CameraSettings
from etle.errors import ConfigError
from etle.protocols import Clock, FrameSource
from etle.types import CameraId, Frame, SignalId
from ingest.frame_loss import FrameLossCounter
from ingest.signals.feed import ControllerFeed, LiveFeed, RecordedFeed
from ingest.signals.http_feed import http_connection
from ingest.signals.inbox import ReadingInbox
from ingest.signals.kafka_feed import TopicTail, topic_connection
from ingest.sources.live_buffer import Closable

OpenTail = Callable[[str], TopicTail]
"""Opens the topic with this name. Raises BrokerError, ConfigError if no broker is configured."""


def no_topics(topic: str) -> TopicTail:
    """Of a process that has no broker."""
    raise ConfigError(f"the topic {topic} cannot be read: no Kafka server is configured")


class SourceWithSignals:
    """A FrameSource. Use it behind the buffer of a live camera: what a dropped frame would have taken along would be lost."""

    def __init__(self, source: FrameSource, feeds: Sequence[ControllerFeed]) -> None:
        self.live = source.live
        self._source = source
        self._feeds = feeds

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        try:
            for feed in self._feeds:
                feed.start()
            with closing(self._source.frames(after)) as frames:  # type: ignore[type-var]  # every implementation is a generator
                for frame in frames:
                    told = tuple(reading for feed in self._feeds for reading in feed.take(frame.captured_at))
                    yield replace(frame, controller=told) if told else frame
        finally:
            for feed in self._feeds:
                feed.close()

    def close(self) -> None:
        """Ends `frames`. Safe from another thread."""
        if isinstance(self._source, Closable):
            self._source.close()


def with_signals(source: FrameSource, camera: CameraSettings, clock: Clock, losses: FrameLossCounter, open_tail: OpenTail) -> FrameSource:
    """The same source if no signal of the camera has a feed."""
    feeds = [
        open_feed(camera.camera_id, SignalId(signal.id), signal.feed, clock, losses, open_tail) for signal in camera.signals if signal.feed
    ]
    return SourceWithSignals(source, feeds) if feeds else source


def open_feed(
    camera: CameraId, signal: SignalId, feed: SignalFeed, clock: Clock, losses: FrameLossCounter, open_tail: OpenTail
) -> ControllerFeed:
    """Nothing is opened before its `start`."""
    inbox = ReadingInbox(camera, signal, feed, losses)
    if feed.http is not None:
        connect_http = partial(http_connection, feed.http, feed.timeout_s, clock)
        return LiveFeed(inbox, connect_http, interval_s=feed.interval_s, silent_after_s=feed.silent_after_s)
    if feed.topic is not None:
        connect_topic = partial(topic_connection, partial(open_tail, feed.topic), clock)
        return LiveFeed(inbox, connect_topic, interval_s=0.0, silent_after_s=feed.silent_after_s)
    assert feed.file is not None, "a feed has one of http, topic and file"
    return RecordedFeed(inbox, feed.file)
