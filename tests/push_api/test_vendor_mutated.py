"""Ten thousand requests that went wrong on their way: each is refused with a reason, or is what it was."""

from collections import Counter
from random import Random

import pytest
from porch import EVENTS, FRAMES, Porch

from ingest.push_api.errors import ErrorCode

REQUESTS = 10_000
_ODD = (
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


def mutated(chance: Random, data: bytes) -> bytes:
    """One to three small accidents."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(data))
        match chance.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]
            case 2:
                data = data[:at] + chance.choice(_ODD) + data[at:]
            case 3:
                data = data[:at] + data[at + chance.randint(1, 40) :]
            case 4:
                data = data + data[at : at + 60]
            case _:
                data = chance.choice(_ODD)
    return data


def push(porch: Porch, chance: Random, kind: str):
    request = porch.samples.frame() if kind == "frame" else porch.samples.posted(porch.samples.event())
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    body, path, method, about = request.body, request.path, request.method, chance.random()
    if about < 0.45:
        body = mutated(chance, body)
    elif about < 0.85:
        at = chance.randrange(len(headers))
        headers[at] = (headers[at][0], mutated(chance, headers[at][1]))
    elif about < 0.90:
        headers.insert(chance.randrange(len(headers)), chance.choice(headers))
    elif about < 0.93:
        del headers[chance.randrange(len(headers))]
    elif about < 0.97:
        path = mutated(chance, path.encode()).decode("latin-1")
    else:
        method = mutated(chance, method.encode()).decode("latin-1")
    cut = chance.randint(0, len(body))
    return porch.ask_raw(method, path, headers, [body[:cut], body[cut:]])


@pytest.mark.parametrize("kind", ["frame", "event"])
def test_mutated_requests_are_refused_with_a_reason_or_are_as_good_as_before(porch, kind):
    chance = Random(20261125)
    answers: Counter[str] = Counter()
    for _ in range(REQUESTS // 2):
        porch.clock.advance(0.001)
        reply = push(porch, chance, kind)
        if reply.status in (200, 201):
            answers[reply.body["status"]] += 1
            continue
        error = reply.body["error"]
        assert ErrorCode(error["code"]) not in (ErrorCode.FAULT_OF_OURS, ErrorCode.BUSY), error
        assert error["message"]
        answers[error["code"]] += 1
    topic = FRAMES if kind == "frame" else EVENTS
    assert len(porch.broker.messages(topic)) == answers["accepted"]
    assert answers["accepted"] < REQUESTS / 4
    assert len(answers) >= 8
    porch.samples.sequence = int(porch.clock.now().timestamp() * 1000)  # a number went up on its way: the clock's are higher still
    porch.clock.advance(6)
    assert porch.ask(porch.samples.frame()).status == 201
