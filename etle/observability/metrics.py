"""The metrics of a role; the only module that imports the Prometheus client.

Each `Metrics` has its own registry, so that two of them in one process (in tests, in `etle run`) do not mix.
Label values come from the site file and the enums here, never from input, so that their number is bounded.
"""

import re
from collections.abc import Callable, Iterator, Mapping
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
    """What happened to a frame. ingest counts the first four outcomes, detect the others and LOST."""

    CAPTURED = "captured"
    SENT = "sent"
    """Acknowledged by the broker."""
    SPOOLED = "spooled"
    """Written to the disk of the edge device because the broker was unavailable; counted again as sent later."""
    LOST = "lost"
    """Captured and dropped, or missing in the sequence numbers."""
    PROCESSED = "processed"
    """Processed by the detector."""
    GATED = "gated"
    """No motion, therefore no inference."""
    REFILLED = "refilled"
    """Read again after a restart to refill the frame buffer."""
    REPEATED = "repeated"
    """A duplicate, skipped."""
    DEAD = "dead"
    """Sent to the dead letter queue."""


class ViolationOutcome(StrEnum):
    FOUND = "found"
    """Counted by detect, and again when frames are processed again after a restart."""
    WRITTEN = "written"
    REPEATED = "repeated"
    """Already stored."""


class Dependency(StrEnum):
    """A server that a role waits for while it is unavailable."""

    BROKER = "broker"
    DATABASE = "database"
    EVIDENCE = "evidence"
    ARCHIVE = "archive"


class ArchiveOutcome(StrEnum):
    """What the archive did with a frame."""

    ARCHIVED = "archived"
    REPEATED = "repeated"
    """It had the frame already."""
    INVALID = "invalid"
    """No valid frame; the detect worker sends it to the dead letter queue."""


class WorkItemOutcome(StrEnum):
    """What became of a work item of a run."""

    DONE = "done"
    REPEATED = "repeated"
    """The camera was processed that far before."""
    REJECTED = "rejected"
    """Sent to the dead letter queue."""


class EvidenceError(StrEnum):
    FULL = "full"
    UNAVAILABLE = "unavailable"
    CORRUPT = "corrupt"
    HEADS = "heads"
    """The head of the audit log could not be exported; the next export covers it."""


MAX_RULES: Final = 50
"""The writer takes rule names from messages; the limit keeps a faulty sender from creating labels without end."""
_RULE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
REQUEST_BUCKETS_S: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)
DECISION_BUCKETS_S: Final = (2, 4, 6, 8, 10, 15, 20, 30, 60, 120, 300)
INFERENCE_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10)


class Metrics:
    """Safe to use from several threads. Metrics without labels from the site file exist from the start, so that alerts can use them."""

    def __init__(self) -> None:
        self._rules: set[str] = set()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("etle_build", "The running version.", registry=registry).info({"version": __version__})
        self._frames = Counter("etle_frames", "Frames by outcome.", ("camera", "outcome"), registry=registry)
        self._last_frame = Gauge("etle_last_frame_timestamp_seconds", "Capture time of the last frame.", ("camera",), registry=registry)
        self._awaited = Gauge("etle_camera_awaited", "1 while a live camera should deliver frames.", ("camera",), registry=registry)
        self._troubles = Counter("etle_camera_troubles", "Losses and faults of a camera by kind.", ("camera", "kind"), registry=registry)
        self._skew = Gauge(
            "etle_clock_skew_seconds", "The camera's clock minus the clock of the edge device.", ("camera",), registry=registry
        )
        self._lag_s = Gauge("etle_lag_seconds", "Age of the last message when its processing was finished.", ("topic",), registry=registry)
        self._waiting = Gauge(
            "etle_waiting_messages", "Unprocessed messages in the partitions of this worker.", ("topic",), registry=registry
        )
        self._inference = Histogram(
            "etle_inference_seconds", "Time per batch of a model.", ("model",), registry=registry, buckets=INFERENCE_BUCKETS_S
        )
        self._violations = Counter("etle_violations", "Violations by outcome.", ("rule", "outcome"), registry=registry)
        self._signals = Counter("etle_signal_readings", "Readings of a signal.", ("camera", "signal", "known"), registry=registry)
        self._judged = Counter(
            "etle_judged_vehicles",
            "Vehicles that met a rule's line or lane, by last reason.",
            ("camera", "rule", "reason"),
            registry=registry,
        )
        self._view = Gauge("etle_view_fault", "1 while the last checked picture had the fault.", ("camera", "fault"), registry=registry)
        self._paused_cameras: set[str] = set()
        self._rules_paused = Gauge("etle_rules_paused", "1 while the rules pause because the camera moved.", ("camera",), registry=registry)
        self._spool_frames = Gauge("etle_spool_frames", "Frames in the spool on the disk of the edge device.", registry=registry)
        self._spool_bytes = Gauge("etle_spool_bytes", "Bytes of the frames in the spool.", registry=registry)
        self._spool_limit = Gauge("etle_spool_limit_bytes", "Maximum size of the spool in bytes.", registry=registry)
        self._dead = Counter("etle_dead_letters", "Messages sent to the dead letter queue.", ("stage",), registry=registry)
        self._expired = Counter(
            "etle_expired_messages", "Messages that Kafka deleted before they were read.", ("topic",), registry=registry
        )
        self._pauses = Counter("etle_pauses", "How often a role started to wait for a server.", ("target",), registry=registry)
        self._paused = Gauge("etle_paused", "1 while the role waits for the server.", ("target",), registry=registry)
        self._evidence_errors = Counter("etle_evidence_errors", "Failures to store or read evidence.", ("kind",), registry=registry)
        self._evidence_bytes = Counter("etle_evidence_bytes", "Bytes of evidence stored.", registry=registry)
        self._archived = Counter("etle_archived_frames", "Frames that reached the archive by outcome.", ("outcome",), registry=registry)
        self._archived_bytes = Counter("etle_archive_bytes", "Bytes written to the archive.", registry=registry)
        self._archive_deleted = Counter("etle_archive_deleted_segments", "Segments deleted by reason.", ("reason",), registry=registry)
        self._work_items = Counter("etle_work_items", "Work items of runs by outcome.", ("outcome",), registry=registry)
        self._reprocessed = Counter("etle_reprocessed_frames", "Frames of the archive that were processed again.", registry=registry)
        self._live_overdue = Gauge("etle_live_overdue_messages", "Live frames that wait for longer than allowed.", registry=registry)
        self._yields = Gauge("etle_yields_to_live", "1 while a run waits for live traffic.", registry=registry)
        self._vendor = Counter("etle_vendor_messages", "Messages received by the push API.", ("vendor", "outcome"), registry=registry)
        self._requests = Counter("etle_requests", "Responses of the review pages by status class.", ("status",), registry=registry)
        self._request_s = Histogram(
            "etle_request_seconds", "Time per response of the review pages.", registry=registry, buckets=REQUEST_BUCKETS_S
        )
        self._decisions = Counter("etle_decisions", "Verdicts of the reviewers.", ("verdict",), registry=registry)
        self._decision_s = Histogram(
            "etle_decision_seconds", "Time from showing a case to its verdict.", registry=registry, buckets=DECISION_BUCKETS_S
        )
        self._open_cases = Gauge("etle_open_cases", "Cases without a verdict; absent while the database is unavailable.", registry=registry)
        for target in Dependency:
            self._pauses.labels(target.value)
            self._paused.labels(target.value).set(0)
        for kind in EvidenceError:
            self._evidence_errors.labels(kind.value)

    def init_frames(self, camera: str, *outcomes: FrameOutcome) -> None:
        """Create the counters of the camera with the value 0."""
        for outcome in outcomes:
            self._frames.labels(camera, outcome.value)

    def init_dead_letters(self, *stages: str) -> None:
        for stage in stages:
            self._dead.labels(stage)

    def frame(self, camera: str, outcome: FrameOutcome, times: int = 1) -> None:
        self._frames.labels(camera, outcome.value).inc(times)

    def last_frame(self, camera: str, captured_at: datetime) -> None:
        """A camera is silent if it is awaited and its last frame is old or missing."""
        self._last_frame.labels(camera).set(captured_at.timestamp())

    def camera_awaited(self, camera: str, awaited: bool) -> None:
        """False for a video file, and for a live camera outside of its schedule."""
        self._awaited.labels(camera).set(awaited)

    def camera_trouble(self, camera: str, kind: str, times: int = 1) -> None:
        """`kind` is a value of `ingest.frame_loss.LossReason`, such as a gap or a reconnect."""
        self._troubles.labels(camera, kind).inc(times)

    def clock_skew(self, camera: str, seconds: float) -> None:
        self._skew.labels(camera).set(seconds)

    def lag(self, topic: str, seconds: float) -> None:
        """Age of the message that was just processed. Unchanged while no messages arrive, so use it together with a rate."""
        self._lag_s.labels(topic).set(seconds)

    def waiting(self, topic: str, messages: int) -> None:
        """Unprocessed messages of this worker; 0 when it has caught up. The sum over the workers of a group is that of the group."""
        self._waiting.labels(topic).set(messages)

    def inference(self, model: str, seconds: float) -> None:
        self._inference.labels(model).observe(seconds)

    @contextmanager
    def time_inference(self, model: str) -> Iterator[None]:
        """Measures the duration of the block."""
        with self._inference.labels(model).time():
            yield

    def violation(self, rule: str, outcome: ViolationOutcome) -> None:
        """An invalid rule name, and a new one beyond `MAX_RULES`, is counted as `unknown`."""
        known = rule in self._rules or (_RULE_NAME.fullmatch(rule) is not None and len(self._rules) < MAX_RULES)
        if known:
            self._rules.add(rule)
        self._violations.labels(rule if known else "unknown", outcome.value).inc()

    def signal_reading(self, camera: str, signal: str, *, known: bool) -> None:
        self._signals.labels(camera, signal, "yes" if known else "no").inc()

    def judged(self, camera: str, rule: str, reason: str) -> None:
        """`reason` is a value of `pipeline.scene.judgement.Reason`."""
        self._judged.labels(camera, rule, reason).inc()

    def view_checked(self, camera: str, faults: Mapping[str, bool], *, paused: bool = False) -> None:
        """`faults`: whether the picture has each fault of `pipeline.detect.view_check.ViewFault`. `paused`: the rules pause meanwhile."""
        self._rules_paused.labels(camera).set(paused)
        (self._paused_cameras.add if paused else self._paused_cameras.discard)(camera)
        for fault, present in faults.items():
            self._view.labels(camera, fault).set(present)

    @property
    def paused_cameras(self) -> tuple[str, ...]:
        """Cameras that moved, so that their rules pause."""
        return tuple(sorted(self._paused_cameras))

    def camera_left(self, camera: str) -> None:
        """Another worker has the camera from now on."""
        self._paused_cameras.discard(camera)

    def spool(self, *, frames: int, bytes_: int, limit_bytes: int) -> None:
        self._spool_frames.set(frames)
        self._spool_bytes.set(bytes_)
        self._spool_limit.set(limit_bytes)

    def dead_letter(self, stage: str) -> None:
        self._dead.labels(stage).inc()

    def expired(self, topic: str, messages: int) -> None:
        """Messages that the broker deleted before this group had read them; 0 creates the counter."""
        self._expired.labels(topic).inc(messages)

    @contextmanager
    def waiting_for(self, target: Dependency) -> Iterator[None]:
        """Use around a pause: counts it once, and shows it while the block runs."""
        self._pauses.labels(target.value).inc()
        with self._paused.labels(target.value).track_inprogress():
            yield

    def evidence_error(self, kind: EvidenceError) -> None:
        self._evidence_errors.labels(kind.value).inc()

    def evidence_stored(self, bytes_: int) -> None:
        self._evidence_bytes.inc(bytes_)

    def archived(self, outcome: ArchiveOutcome) -> None:
        self._archived.labels(outcome.value).inc()

    def archive_written(self, bytes_: int) -> None:
        self._archived_bytes.inc(bytes_)

    def archive_deleted(self, reason: str) -> None:
        """`reason` is a value of `etle.storage.archive.retention.DeletionReason`."""
        self._archive_deleted.labels(reason).inc()

    def work_item(self, outcome: WorkItemOutcome) -> None:
        self._work_items.labels(outcome.value).inc()

    def reprocessed(self, frames: int) -> None:
        self._reprocessed.inc(frames)

    def live_overdue(self, messages: int, *, yields: bool) -> None:
        """`messages`: live frames that wait for longer than allowed; `yields`: whether a run waits for them now."""
        self._live_overdue.set(messages)
        self._yields.set(yields)

    def vendor_message(self, vendor: str, outcome: str) -> None:
        """`vendor` is one of the site file, `outcome` one of the fixed outcomes of the push API."""
        self._vendor.labels(vendor, outcome).inc()

    def request(self, status: int, seconds: float) -> None:
        self._requests.labels(f"{status // 100}xx").inc()
        self._request_s.observe(seconds)

    def decision(self, verdict: str, seconds: float | None) -> None:
        """`seconds`: None if not measured."""
        self._decisions.labels(verdict).inc()
        if seconds is not None:
            self._decision_s.observe(seconds)

    def count_open_cases(self, count: Callable[[], float]) -> None:
        """`count` is called each time the metrics are read."""
        self._open_cases.set_function(count)

    def value(self, name: str, **labels: str) -> float | None:
        """Current value of a sample by the name that Prometheus shows; None if it does not exist."""
        return self._registry.get_sample_value(name, labels)

    def names(self) -> frozenset[str]:
        """Every sample name that a query can use."""
        families = list(self._registry.collect())
        suffixes = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_count", "_sum", "_created"), "info": ("_info",)}
        return frozenset(f"{family.name}{suffix}" for family in families for suffix in suffixes.get(family.type, ("",)))

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
