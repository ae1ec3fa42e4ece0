"""The numbers of a role, for Prometheus; the one file that imports its client.

Each process has a `Metrics` of its own with a registry of its own: two of them in one process (a test, `etle run`) do not mix.
The labels are bounded by the site file and by the enums here: nothing that comes from outside may become a label's value.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Final

from etle import __version__
from etle.errors import MissingExtra

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
except ModuleNotFoundError as absent:
    raise MissingExtra("prometheus-client", "ingest") from absent


class FrameOutcome(StrEnum):
    """What became of a frame. A role counts those that it knows: ingest the first four, detect the others."""

    CAPTURED = "captured"
    SENT = "sent"
    """Acknowledged by the broker."""
    SPOOLED = "spooled"
    """On the disk of the box, because the broker was away; counted again as sent later."""
    LOST = "lost"
    """Captured or missing in the sequence, and nowhere any more."""
    PROCESSED = "processed"
    """Seen by the detector."""
    GATED = "gated"
    """Nothing moved in it: no inference."""
    REFILLED = "refilled"
    """Read again after a restart for its pictures only."""
    REPEATED = "repeated"
    """Arrived a second time, and left out."""
    DEAD = "dead"
    """Set aside among the dead letters."""


class ViolationOutcome(StrEnum):
    FOUND = "found"
    """By detect; once more when frames are read again."""
    WRITTEN = "written"
    REPEATED = "repeated"
    """It was in the database already."""


class Dependency(StrEnum):
    """What a role waits for when it pauses."""

    BROKER = "broker"
    DATABASE = "database"
    EVIDENCE = "evidence"


class EvidenceError(StrEnum):
    FULL = "full"
    UNAVAILABLE = "unavailable"
    CORRUPT = "corrupt"


MOST_RULES: Final = 50
"""The writer counts by a name that came in a message; a broken sender must not make a label of each."""
_RULE: Final = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
REQUEST_BUCKETS_S: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)
DECISION_BUCKETS_S: Final = (2, 4, 6, 8, 10, 15, 20, 30, 60, 120, 300)
INFERENCE_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10)


class Metrics:
    """Safe to use from several threads. Every number is there from the start, so that an alert never waits for a first failure."""

    def __init__(self) -> None:
        self._rules: set[str] = set()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("etle_build", "The version that runs.", registry=registry).info({"version": __version__})
        self._frames = Counter("etle_frames", "Frames, by what became of them.", ("camera", "outcome"), registry=registry)
        self._last_frame = Gauge("etle_last_frame_timestamp_seconds", "When the last frame was captured.", ("camera",), registry=registry)
        self._awaited = Gauge("etle_camera_awaited", "1 while a live camera should give pictures.", ("camera",), registry=registry)
        self._troubles = Counter("etle_camera_troubles", "What went wrong at a camera, by kind.", ("camera", "kind"), registry=registry)
        self._skew = Gauge("etle_clock_skew_seconds", "The camera's clock less the box's.", ("camera",), registry=registry)
        self._lag_s = Gauge("etle_lag_seconds", "How old the last message was when it was done with.", ("topic",), registry=registry)
        self._waiting = Gauge("etle_waiting_messages", "Messages before this worker, in its partitions.", ("topic",), registry=registry)
        self._inference = Histogram(
            "etle_inference_seconds", "One batch through a model.", ("model",), registry=registry, buckets=INFERENCE_BUCKETS_S
        )
        self._violations = Counter("etle_violations", "Violations, by what became of them.", ("rule", "outcome"), registry=registry)
        self._spool_frames = Gauge("etle_spool_frames", "Frames that wait on the box's disk for the broker.", registry=registry)
        self._spool_bytes = Gauge("etle_spool_bytes", "Bytes of the frames that wait on the box's disk.", registry=registry)
        self._spool_limit = Gauge("etle_spool_limit_bytes", "Bytes that the spool may take.", registry=registry)
        self._dead = Counter("etle_dead_letters", "Messages set aside with a reason.", ("stage",), registry=registry)
        self._pauses = Counter("etle_pauses", "Times that a role began to wait for a server.", ("target",), registry=registry)
        self._paused = Gauge("etle_paused", "1 while the role waits for that server.", ("target",), registry=registry)
        self._evidence_errors = Counter("etle_evidence_errors", "Evidence that could not be kept or read.", ("kind",), registry=registry)
        self._evidence_bytes = Counter("etle_evidence_bytes", "Bytes of evidence put into the store.", registry=registry)
        self._vendor = Counter("etle_vendor_messages", "Messages at the vendors' door.", ("vendor", "outcome"), registry=registry)
        self._requests = Counter("etle_requests", "Answers of the reviewers' pages, by class of status.", ("status",), registry=registry)
        self._request_s = Histogram("etle_request_seconds", "Until such an answer.", registry=registry, buckets=REQUEST_BUCKETS_S)
        self._decisions = Counter("etle_decisions", "Verdicts of reviewers.", ("verdict",), registry=registry)
        self._decision_s = Histogram(
            "etle_decision_seconds", "From the case on the screen to its verdict.", registry=registry, buckets=DECISION_BUCKETS_S
        )
        self._open_cases = Gauge("etle_open_cases", "Cases without a verdict; no number while the database is away.", registry=registry)
        for target in Dependency:
            self._pauses.labels(target.value)
            self._paused.labels(target.value).set(0)
        for kind in EvidenceError:
            self._evidence_errors.labels(kind.value)

    def expect(self, camera: str, *outcomes: FrameOutcome) -> None:
        """Shows the camera's counters as 0 before anything has happened."""
        for outcome in outcomes:
            self._frames.labels(camera, outcome.value)

    def expect_dead_letters(self, *stages: str) -> None:
        for stage in stages:
            self._dead.labels(stage)

    def frame(self, camera: str, outcome: FrameOutcome, times: int = 1) -> None:
        self._frames.labels(camera, outcome.value).inc(times)

    def last_frame(self, camera: str, captured_at: datetime) -> None:
        """A camera that is silent is one that is awaited and whose last frame is old, or never came."""
        self._last_frame.labels(camera).set(captured_at.timestamp())

    def camera_awaited(self, camera: str, awaited: bool) -> None:
        """False for a film, and for a live camera outside of its hours."""
        self._awaited.labels(camera).set(awaited)

    def camera_trouble(self, camera: str, kind: str, times: int = 1) -> None:
        """`kind` is one of `ingest.frame_loss.Loss`: a gap, a new connection, a clock that jumped, a picture that broke."""
        self._troubles.labels(camera, kind).inc(times)

    def clock_skew(self, camera: str, seconds: float) -> None:
        self._skew.labels(camera).set(seconds)

    def lag(self, topic: str, seconds: float) -> None:
        """How old the message was that was just done with. It stays when no more come: look at it together with a rate."""
        self._lag_s.labels(topic).set(seconds)

    def waiting(self, topic: str, messages: int) -> None:
        """How many messages are before this worker; 0 when it has caught up. The sum over a group's workers is the group's."""
        self._waiting.labels(topic).set(messages)

    def inference(self, model: str, seconds: float) -> None:
        self._inference.labels(model).observe(seconds)

    @contextmanager
    def inferring(self, model: str) -> Iterator[None]:
        """Measures the block."""
        with self._inference.labels(model).time():
            yield

    def violation(self, rule: str, outcome: ViolationOutcome) -> None:
        """What is no rule's name, and what would be one too many, is counted as `unknown`."""
        known = rule in self._rules or (_RULE.fullmatch(rule) is not None and len(self._rules) < MOST_RULES)
        if known:
            self._rules.add(rule)
        self._violations.labels(rule if known else "unknown", outcome.value).inc()

    def spool(self, *, frames: int, bytes_: int, limit_bytes: int) -> None:
        self._spool_frames.set(frames)
        self._spool_bytes.set(bytes_)
        self._spool_limit.set(limit_bytes)

    def dead_letter(self, stage: str) -> None:
        self._dead.labels(stage).inc()

    @contextmanager
    def waiting_for(self, target: Dependency) -> Iterator[None]:
        """Around a pause: counted as one, and shown as long as it lasts."""
        self._pauses.labels(target.value).inc()
        with self._paused.labels(target.value).track_inprogress():
            yield

    def evidence_error(self, kind: EvidenceError) -> None:
        self._evidence_errors.labels(kind.value).inc()

    def evidence_stored(self, bytes_: int) -> None:
        self._evidence_bytes.inc(bytes_)

    def vendor_message(self, vendor: str, outcome: str) -> None:
        """`vendor` is one that the site file names, `outcome` one of the door's few answers."""
        self._vendor.labels(vendor, outcome).inc()

    def request(self, status: int, seconds: float) -> None:
        self._requests.labels(f"{status // 100}xx").inc()
        self._request_s.observe(seconds)

    def decision(self, verdict: str, seconds: float | None) -> None:
        """`seconds` None where nobody knows how long it took."""
        self._decisions.labels(verdict).inc()
        if seconds is not None:
            self._decision_s.observe(seconds)

    def count_open_cases(self, count: Callable[[], float]) -> None:
        """`count` is asked whenever somebody reads the numbers."""
        self._open_cases.set_function(count)

    def value(self, name: str, **labels: str) -> float | None:
        """What one number is now, under the name that Prometheus shows; None if there is no such number."""
        return self._registry.get_sample_value(name, labels)

    def names(self) -> frozenset[str]:
        """Every name that a query may use."""
        families = list(self._registry.collect())
        suffixes = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_count", "_sum", "_created"), "info": ("_info",)}
        return frozenset(f"{family.name}{suffix}" for family in families for suffix in suffixes.get(family.type, ("",)))

    def text(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        return generate_latest(self._registry)
