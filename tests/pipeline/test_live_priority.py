"""When a run yields to live traffic: while frames of live cameras wait for longer than allowed, and not because the road was quiet."""

import pytest

from etle.kafka.protocols import Position
from etle.observability.metrics import Metrics
from etle.testing import BEGIN, ManualClock, MemoryBroker
from pipeline.reprocess.live_priority import LivePriority, LiveTraffic

LIVE = LiveTraffic("frames", "detect")


class LivePriorityFixture:
    """A topic of live frames, and a group that handles them."""

    def __init__(self, partitions: int = 1, max_lag_s: float = 5.0) -> None:
        self.clock, self.metrics = ManualClock(BEGIN), Metrics()
        self.broker = MemoryBroker({LIVE.topic: partitions})
        self.subscriber = self.broker.subscribe(LIVE.topic, LIVE.group)
        self.subscriber.poll(0, 1)
        self.priority = LivePriority(self.broker, LIVE, max_lag_s, self.clock, self.metrics)

    def at(self, second: float) -> "LivePriorityFixture":
        self.clock.advance(second - (self.clock.now() - BEGIN).total_seconds())
        self.broker.now = self.clock.now()
        return self

    def send(self, frames: int = 1, partition: int = 0) -> None:
        for _ in range(frames):
            self.broker.publish(LIVE.topic, b"jpeg", key=b"cam", partition=partition)

    def handle(self, upto: int, partition: int = 0, needed: int | None = None) -> None:
        """`needed`: the oldest frame that a camera still needs, at which the group's position stays."""
        self.subscriber.commit({partition: Position(offset=upto if needed is None else needed, metadata=str(upto))})


def test_a_group_that_keeps_up_has_priority_without_making_anybody_wait():
    rig = LivePriorityFixture()
    for second in range(60):
        rig.at(second).send(10)
        rig.handle(max(0, 10 * (second - 2)), needed=max(0, 10 * (second - 30)))
        assert not rig.priority.must_wait()


def test_a_frame_that_comes_after_a_quiet_minute_is_new():
    rig = LivePriorityFixture()
    rig.send(10)
    rig.at(1).handle(10)
    assert not rig.priority.must_wait()
    rig.at(61).send()
    assert not rig.priority.must_wait()
    assert not rig.at(65).priority.must_wait()
    assert rig.at(67).priority.must_wait()


def test_a_run_waits_while_live_frames_are_overdue_and_goes_on_when_they_are_handled():
    rig = LivePriorityFixture(partitions=2)
    rig.handle(0)
    rig.handle(0, partition=1)
    rig.send(7, partition=1)
    rig.at(6)
    assert rig.priority.must_wait()
    assert rig.metrics.value("etle_live_overdue_messages") == 7 and rig.metrics.value("etle_yields_to_live") == 1
    rig.handle(7, partition=1)
    assert not rig.at(7.5).priority.must_wait()
    assert rig.metrics.value("etle_live_overdue_messages") == 0 and rig.metrics.value("etle_yields_to_live") == 0


def test_a_topic_that_nobody_processes_live_makes_nobody_wait():
    rig = LivePriorityFixture()
    rig.send(100)
    assert not rig.at(100).priority.must_wait()


def test_frames_that_the_broker_deleted_do_not_wait():
    rig = LivePriorityFixture()
    rig.handle(0)
    rig.send(5)
    rig.at(100)
    rig.broker.expired[LIVE.topic, 0] = 5
    assert not rig.priority.must_wait()


def test_zero_seconds_mean_that_a_run_never_waits():
    rig = LivePriorityFixture(max_lag_s=0)
    rig.handle(0)
    rig.send(5)
    assert not rig.at(100).priority.must_wait()


def test_the_broker_is_asked_once_a_second():
    rig = LivePriorityFixture()
    rig.handle(0)
    rig.send(5)
    rig.at(6)
    assert rig.priority.must_wait()
    rig.handle(5)
    assert rig.at(6.5).priority.must_wait() and not rig.at(7).priority.must_wait()


@pytest.mark.parametrize("metadata", ["", "junk"])
def test_a_position_without_metadata_counts_as_it_is(metadata):
    rig = LivePriorityFixture()
    rig.send(5)
    rig.subscriber.commit({0: Position(offset=5, metadata=metadata)})
    assert not rig.at(100).priority.must_wait()
