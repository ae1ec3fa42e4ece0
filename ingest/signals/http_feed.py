"""A controller, or a gateway before it, that answers over HTTP with the present state of its signals."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager

from etle.address import Address
from etle.controller import MAX_BYTES
from etle.protocols import Clock
from ingest.signals.feed import Receive
from ingest.signals.inbox import ReadingInbox
from ingest.sources.http import HttpClient, read_body, translate_errors


@contextmanager
def http_connection(url: str, timeout_s: float, clock: Clock) -> Iterator[Receive]:
    client = HttpClient(Address.of(url), timeout_s)

    def receive(inbox: ReadingInbox) -> None:
        requested_at = clock.now()
        with client.open({"Accept": "application/json", "Cache-Control": "no-cache"}) as response, translate_errors(client.address):
            if response.status != http.client.OK:
                raise ValueError(f"HTTP {response.status}")
            document = read_body(response, MAX_BYTES + 1, timeout_s, time.monotonic)
        inbox.put(document, requested_at, clock.now())

    yield receive
