"""What a signal's controller tells about the time of each frame."""

from dataclasses import replace
from datetime import timedelta

import pytest
from drawn import RED_LIGHT, driving, frames, process_all, site, stage
from exhaustive import exhaustive
from scenario import BEGIN, G, R, U, Y, second
from workers import DrawnStages, Rig

from etle.config.signal_feed import SignalFeed
from etle.config.site import Site
from etle.types import ControllerReading, Frame, Lamp, SignalId, SignalReading
from pipeline.detect.state import decode, encode
from pipeline.scene.controller import ControlledSignal, ControllerTimeline

BARAT = SignalId("barat")
FEED = SignalFeed(http="http://controller/", uncertainty_ms=200, silent_after_s=1.0)


def told(sequence: int, lamp: Lamp, since: float, at: float) -> ControllerReading:
    return ControllerReading(signal=BARAT, lamp=lamp, since=second(since), at=second(at), sequence=sequence)


RED_TO_GREEN = [told(4, R, 0, 1), told(4, R, 0, 5), told(5, G, 8, 8.1)]


@pytest.mark.parametrize(
    ("messages", "at", "expected"),
    [
        pytest.param([], 1, None, id="nothing was told"),
        pytest.param(RED_TO_GREEN[:2], 4.7, R, id="a state, up to its last message"),
        pytest.param(RED_TO_GREEN[:2], 4.9, None, id="but not up to the uncertainty before it"),
        pytest.param(RED_TO_GREEN[:2], 5.5, None, id="nothing about the time after the last message"),
        pytest.param(RED_TO_GREEN, 7.7, R, id="the next number tells that nothing changed until its change"),
        pytest.param(RED_TO_GREEN, 7.9, None, id="not within the uncertainty before a change"),
        pytest.param([*RED_TO_GREEN, told(5, G, 8, 10)], 8.1, None, id="not within the uncertainty after a change"),
        pytest.param([*RED_TO_GREEN, told(5, G, 8, 10)], 8.3, G, id="after the uncertainty"),
        pytest.param([told(4, R, 0, 5), told(6, G, 8, 9)], 6.0, None, id="a missing number: what came between is not known"),
        pytest.param([told(4, R, 0, 5), told(6, R, 8, 9)], 6.0, None, id="a missing number between two reds"),
        pytest.param([told(4, R, 0, 5), told(1, R, 8, 9)], 6.0, None, id="the controller started again"),
        pytest.param([told(4, R, 0, 5), told(1, R, 8, 9)], 4.0, R, id="what it told before it started again"),
        pytest.param([told(4, R, 0, 5), told(4, G, 3, 6)], 4.0, None, id="one number for two lamps: not where they contradict each other"),
        pytest.param([told(4, R, 0, 5), told(5, G, 4, 6)], 4.5, None, id="the change is dated before the last word about the red"),
        pytest.param([told(4, R, 0, 5), told(3, G, 0, 3)], 4.0, R, id="a message that was overtaken changes nothing"),
        pytest.param([told(4, R, 0, 5), told(4, R, 0, 5)], 4.0, R, id="a repeated message changes nothing"),
        pytest.param([told(4, R, 0, 1), told(4, R, 0, 90)], 50, R, id="silent for long, and then says that it was red all the time"),
        pytest.param([told(4, U, 0, 5)], 3, U, id="the controller says that it does not know"),
    ],
)
def test_what_the_controller_told_about_a_moment(messages, at, expected):
    timeline = ControllerTimeline()
    for message in messages:
        timeline = timeline.with_reading(message)
    assert timeline.lamp_at(second(at), FEED.uncertainty) is expected


def shown(rows, length_s=6.0):
    """(second of the frame, lamp) of each frame that no longer waits; rows: second at which it comes, message or lamp of the head."""
    signal, readings = ControlledSignal(), []
    for n in range(round(length_s * 10)):
        now = n / 10
        came = [each for at, each in rows if isinstance(each, ControllerReading) and now - 0.1 + 1e-6 < at <= now + 1e-6]
        head = [each for at, each in rows if isinstance(each, Lamp) and at <= now + 1e-6][-1:] or [U]
        seen = SignalReading(captured_at=second(now), lamp=head[0], score=0.5)
        signal, ready = signal.with_frame(seen, came, FEED)
        assert len(signal.waiting) <= 11 and len(signal.timeline.phases) <= 5
        readings += [(round((each.captured_at - BEGIN).total_seconds(), 1), each.lamp) for each in ready]
    return dict(readings)


EVERY_HALF_SECOND = [(at / 2, told(1, R, 0, at / 2)) for at in range(20)]


@pytest.mark.parametrize(
    ("rows", "at", "expected"),
    [
        pytest.param(EVERY_HALF_SECOND, 3.0, R, id="the controller says red"),
        pytest.param(EVERY_HALF_SECOND[:4], 1.3, R, id="it falls silent: up to its last message"),
        pytest.param(EVERY_HALF_SECOND[:4], 3.0, U, id="it falls silent: unknown, not its last state"),
        pytest.param([], 3.0, U, id="it never spoke"),
        pytest.param([*EVERY_HALF_SECOND, (0, R)], 3.0, R, id="the head in the picture agrees"),
        pytest.param([*EVERY_HALF_SECOND, (0, G)], 3.0, U, id="the head in the picture contradicts it"),
        pytest.param([*EVERY_HALF_SECOND[:4], (0, R)], 3.0, R, id="it is silent, and the head is read"),
        pytest.param([(at / 2, told(1, U, 0, at / 2)) for at in range(20)] + [(0, R)], 3.0, U, id="it says unknown, whatever the head"),
        pytest.param([(at / 2 + 0.2, each) for at, (_, each) in enumerate(EVERY_HALF_SECOND)], 3.0, R, id="its messages come late"),
        pytest.param([(at / 2 + 3, each) for at, (_, each) in enumerate(EVERY_HALF_SECOND)], 2.0, U, id="its messages come too late"),
    ],
)
def test_what_a_frame_shows(rows, at, expected):
    assert shown(rows).get(at) is expected


# -- the whole stage -----------------------------------------------------------------------------------------------------------------

RUNNER = driving(5, 45, 40, 60)  # 5 m/s: at the line in frame 25 (2.5 s), at the junction in frame 33
CARS = frames([RUNNER], 60)


class NoHead:
    """No lamp can be read in the picture."""

    def read(self, image, head, order):
        raise AssertionError("the signal has no head")


def fed(uncertainty_ms: int = 200) -> Site:
    made = site(RED_LIGHT)
    camera = made.cameras[0].model_dump() | {
        "source": {"mjpeg": "http://camera/"},
        "signals": [{"id": "barat", "feed": {"http": "http://controller/", "uncertainty_ms": uncertainty_ms}}],
    }
    return Site.model_validate(made.model_dump() | {"cameras": [camera]})


def with_feed(given: list[Frame], *states: tuple[int, Lamp, float], delay_s: float = 0.3, until: float = 60) -> list[Frame]:
    """The frames with a message every half second: (sequence, lamp, since), each delayed."""
    made = []
    for before, frame in zip([None, *given], given, strict=False):
        now = (frame.captured_at - BEGIN).total_seconds()
        last = (before.captured_at - BEGIN).total_seconds() if before else -1
        times = [n / 2 for n in range(-60, 200) if last < n / 2 + delay_s <= now and n / 2 <= until]
        messages = [told(*[each for each in states if each[2] <= at][-1], at) for at in times]
        made.append(replace(frame, controller=tuple(messages)))
    return made


ON_RED = ((1, G, -20.0), (2, Y, -3.0), (3, R, 0.0))


def test_a_runner_is_found_by_the_feed_alone():
    (found,) = process_all(stage(fed(), lamps=NoHead()), with_feed(CARS, *ON_RED))
    assert found.drawing.signals == () and found.drawing.feeds == ("barat",)
    assert found.signal[0].lamp is R


@pytest.mark.parametrize(
    ("states", "uncertainty_ms", "expected"),
    [
        pytest.param(((1, G, -9.0), (2, Y, -1.4), (3, R, 1.6)), 200, 1, id="red for 0.9 s at the line"),
        pytest.param(((1, G, -9.0), (2, Y, -1.4), (3, R, 1.6)), 1000, 0, id="red for 0.9 s at the line, by a clock that may be 1 s off"),
        pytest.param(((3, R, 0.0), (4, G, 3.5)), 200, 0, id="green just after it entered, within the uncertainties"),
        pytest.param(((3, R, 0.0), (4, G, 4.5)), 200, 1, id="green a second after it entered"),
        pytest.param(((3, R, 0.0), (4, G, 4.2)), 1000, 0, id="green a second after it entered, by a clock that may be 1 s off"),
        pytest.param(((3, G, 0.0),), 200, 0, id="green"),
        pytest.param(((3, U, 0.0),), 200, 0, id="the controller says unknown"),
    ],
)
def test_the_uncertainty_of_the_feed_counts_in_favour_of_the_driver(states, uncertainty_ms, expected):
    states = ((0, R, -30.0), *states) if len(states) == 1 else states
    given = with_feed(CARS, *states) if states[0][2] <= -1 else with_feed(CARS, (2, Y, -3.0), *states)
    assert len(process_all(stage(fed(uncertainty_ms), lamps=NoHead()), given)) == expected


def test_a_feed_that_falls_silent_before_the_crossing_gives_no_violation():
    assert process_all(stage(fed(), lamps=NoHead()), with_feed(CARS, *ON_RED, until=2.0)) == []


@pytest.mark.parametrize("cut", exhaustive([1, 24, 27, 30, 34, 36, 50], fast=1))
def test_resumed_from_a_saved_state_it_finds_the_same_under_the_same_id(cut):
    given = with_feed(CARS, *ON_RED)
    undisturbed = process_all(stage(fed(), lamps=NoHead()), given)
    first = stage(fed(), lamps=NoHead())
    found = [message.violation for frame in given[:cut] for message in first.process(frame)]
    state = decode(encode(first.state), first.state.fingerprint)
    assert state is not None
    second_ = stage(fed(), state, lamps=NoHead())
    for frame in given[:cut]:
        if frame.sequence >= first.needed_from:
            second_.refill(frame)
    found += process_all(second_, given[cut:])
    assert [each.id for each in found] == [each.id for each in undisturbed]


def test_the_detect_worker_finds_the_same_from_the_frames_in_the_topic():
    given = with_feed(CARS, *ON_RED)
    (expected,) = process_all(stage(fed(), lamps=NoHead()), given)
    rig = Rig(stages=DrawnStages(watched=fed()))
    rig.send(given)
    running = rig.worker().drain()
    running.exceed_idle_timeout()
    assert [*rig.violations] == [expected.id]


def test_frames_without_feed_messages_for_an_hour_do_not_grow_the_state():
    signal = ControlledSignal()
    for n in range(3600):
        message = told(n // 10, (R, G)[n // 10 % 2], n // 10 * 10, n)
        signal, _ = signal.with_frame(SignalReading(captured_at=BEGIN + timedelta(seconds=n), lamp=U, score=0), [message], FEED)
    assert len(signal.timeline.phases) < 15 and len(signal.waiting) < 5
