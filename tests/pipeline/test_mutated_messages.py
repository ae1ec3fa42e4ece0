"""Ten thousand damaged messages per topic: none stops a worker, and each becomes a dead letter unless its meaning is unchanged."""

import random
from dataclasses import replace

import pytest
from drawn import site
from scenario import BEGIN
from workers import NAMES, DrawnStages, Rig

from etle.errors import WireError
from etle.kafka.dead_letters import parse_dead_letters
from etle.observability.metrics import Metrics
from etle.testing import ListSink, ManualClock, MemoryBroker, ScriptedDetector, a_frame, a_violation_message
from etle.types import ControllerReading, Lamp, SignalId
from etle.wire import frame_from_wire, frame_to_wire, violation_message_from_wire, violation_message_to_wire
from pipeline.evidence.writer import check_files
from pipeline.workers.write import WriteWorker

MESSAGES = 10_000
SEED = 20261125
Headers = list[tuple[str, bytes]]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut off, inserted, doubled or moved."""
    if not data:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(8)))
    at, upto = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    kind = chance.randrange(5)
    if kind == 0:
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 3, 30))):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(changed)
    noise = bytes(chance.randrange(256) for _ in range(chance.randrange(12)))
    return (data[:at], data[:at] + noise + data[at:], data[:at] + data[upto:], data[at:] + data[:at])[kind - 1]


def damaged_headers(headers: Headers, chance: random.Random) -> Headers:
    changed = list(headers)
    place = chance.randrange(len(changed))
    name, value = changed[place]
    kind = chance.randrange(5)
    if kind == 0:
        del changed[place]
    elif kind == 1:
        changed.append((name, value))
    elif kind == 2:
        changed[place] = (damaged(name.encode(), chance).decode(errors="replace"), value)
    else:
        changed[place] = (name, damaged(value, chance))
    return changed


TOLD = (ControllerReading(signal=SignalId("barat"), lamp=Lamp.RED, since=BEGIN, at=BEGIN, sequence=3),)
"""What a signal's controller said, in a header of the frame."""


def refused(read, *given) -> bool:
    try:
        read(*given)
    except WireError:
        return True
    return False


@pytest.mark.slow
def test_damaged_frames():
    chance = random.Random(SEED)
    headers, value = frame_to_wire(replace(a_frame(1), controller=TOLD))
    rig = Rig(stages=DrawnStages(detector=ScriptedDetector([])))
    refusals = 0
    for _ in range(MESSAGES):
        only_headers = chance.random() < 0.7
        changed = damaged_headers(headers, chance) if only_headers else headers
        data = value if only_headers else damaged(value, chance)
        refusals += refused(frame_from_wire, changed, data)
        rig.broker.publish(NAMES.frames, data, key=b"cam-1", headers=changed)
    rig.worker().drain()
    letters_of = parse_dead_letters(rig.broker.messages(NAMES.dead_letters))
    assert refusals > MESSAGES / 2
    assert len(letters_of) >= refusals
    assert len(letters_of) + rig.metrics.value("etle_frames_total", camera="cam-1", outcome="repeated") == MESSAGES
    assert all(letter.reason for letter in letters_of)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["the whole", "the files"])
def test_damaged_violations(of):
    chance, original = random.Random(SEED), a_violation_message("1")
    value, sink = violation_message_to_wire(original), ListSink()
    broker = MemoryBroker({NAMES.violations: 1, NAMES.dead_letters: 1})

    class Checking(ListSink):
        def put(self, message) -> bool:
            check_files(message)
            return sink.put(message)

    start = value.index(b"\xff\xd8") if of == "the files" else 0
    for _ in range(MESSAGES // 2):
        broker.publish(NAMES.violations, value[:start] + damaged(value[start:], chance), key=b"1")
    subscriber = broker.subscribe(NAMES.violations, NAMES.write_group)
    metrics = Metrics()
    worker = WriteWorker(subscriber, broker, Checking(), NAMES, ManualClock(), metrics)
    worker.step(0)
    while worker.step(0):
        pass
    counted = [line for line in metrics.text().decode().splitlines() if line.startswith("etle_violations_total{")]
    written = sum(float(line.rpartition(" ")[2]) for line in counted)
    set_aside = parse_dead_letters(broker.messages(NAMES.dead_letters))
    assert len(set_aside) > MESSAGES / 4
    assert len(set_aside) + written == MESSAGES // 2
    assert all(letter.reason for letter in set_aside)


def test_an_undamaged_violation_and_frame_are_accepted():
    headers, value = frame_to_wire(replace(a_frame(1), controller=TOLD))
    assert not refused(frame_from_wire, headers, value)
    assert not refused(violation_message_from_wire, violation_message_to_wire(a_violation_message("1")))
    assert site().cameras
