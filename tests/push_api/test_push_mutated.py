"""Ten thousand randomly corrupted requests: each is rejected with a reason, or still valid."""

from collections import Counter
from random import Random

import pytest
from push_fixture import EVENTS, FRAMES, InProcessApi

from ingest.push_api.client import PushReply
from ingest.push_api.errors import ErrorCode

REQUESTS = 10_000
_UNUSUAL = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"-1",
    b"9" * 400,
    b"NaN",
    b"1e309",
    b"null",
    b"{}",
    b"..",
    b"%00",
    b"\r\nX: y",
    b"2026-11-23T10:00:00",
    b" " * 50,
)


def mutated(random: Random, data: bytes) -> bytes:
    """The data with one to three small changes."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        match random.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
            case 2:
                data = data[:at] + random.choice(_UNUSUAL) + data[at:]
            case 3:
                data = data[:at] + data[at + random.randint(1, 40) :]
            case 4:
                data = data + data[at : at + 60]
            case _:
                data = random.choice(_UNUSUAL)
    return data


def push_mutated(api: InProcessApi, random: Random, kind: str) -> PushReply:
    samples = api.samples
    request = samples.frame() if kind == "frame" else samples.event_request(samples.event())
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    body, path, method, target = request.body, request.path, request.method, random.random()
    if target < 0.45:
        body = mutated(random, body)
    elif target < 0.85:
        at = random.randrange(len(headers))
        headers[at] = (headers[at][0], mutated(random, headers[at][1]))
    elif target < 0.90:
        headers.insert(random.randrange(len(headers)), random.choice(headers))
    elif target < 0.93:
        del headers[random.randrange(len(headers))]
    elif target < 0.97:
        path = mutated(random, path.encode()).decode("latin-1")
    else:
        method = mutated(random, method.encode()).decode("latin-1")
    cut = random.randint(0, len(body))
    return api.send_raw(method, path, headers, [body[:cut], body[cut:]])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frame", "event"])
def test_a_mutated_request_is_rejected_with_a_reason_or_accepted_once(push_api, kind):
    random = Random(20261125)
    outcomes: Counter[str] = Counter()
    for _ in range(REQUESTS // 2):
        push_api.clock.advance(0.001)
        reply = push_mutated(push_api, random, kind)
        if reply.status in (200, 201):
            outcomes[reply.body["status"]] += 1
            continue
        error = reply.body["error"]
        assert ErrorCode(error["code"]) not in (ErrorCode.INTERNAL_ERROR, ErrorCode.BUSY), error
        assert error["message"]
        outcomes[error["code"]] += 1
    topic = FRAMES if kind == "frame" else EVENTS
    assert len(push_api.broker.messages(topic)) == outcomes["accepted"]
    assert outcomes["accepted"] < REQUESTS / 4
    assert len(outcomes) >= 8
    push_api.samples.sequence = int(push_api.clock.now().timestamp() * 1000)  # higher than any sequence that a mutation increased
    push_api.clock.advance(6)
    assert push_api.send(push_api.samples.frame()).status == 201
