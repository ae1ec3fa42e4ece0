"""Reads the plates of stored cases again, in their evidence pictures: for a new reader where the footage is gone."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from etle.clock import seconds_between
from etle.errors import FrameBroken
from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.runs.plan import ReprocessPlan
from etle.storage.runs import PostgresRuns, RunCamera
from etle.types import CameraId, Frame, Sighting, Track, Violation, ViolationMessage
from pipeline.assembly import Engines
from pipeline.frames.buffer import FrameBuffer
from pipeline.plates.search import PlateSearch
from pipeline.reprocess.run import ReprocessProgress
from pipeline.reprocess.sink import RunSink, stored_message

_PAGE: Final = 100
_KEEP: Final = timedelta(days=1)


class PlateReprocess:
    """Continues where it was interrupted: a case that the run has is not read again."""

    def __init__(
        self, plan: ReprocessPlan, cases: CaseStore, evidence: EvidenceStore, engines: Engines, plate_reads: int, sink: RunSink
    ) -> None:
        self._plan = plan
        self._cases = cases
        self._evidence = evidence
        self._engines = engines
        self._search = PlateSearch(engines.plate_detector, engines.readers, plate_reads, engines.tiebreaker)
        self._sink = sink

    def run(self, runs: PostgresRuns, run: str, progress: ReprocessProgress, stop: threading.Event, clock: Clock) -> list[str]:
        """All cameras of the plan, until `stop`. Returns which cases could not be read. Raises InferenceError, StoreError."""
        problems: list[str] = []
        for camera in (each.camera for each in self._plan.cameras):
            started_at, cases = clock.now(), sum(1 for _ in self._violations(camera))
            progress.started(camera, 0, cases)
            failed = self._read_camera(camera, partial(progress.advance, camera), stop)
            problems += failed
            if stop.is_set():
                return problems
            now = clock.now()
            busy_s = seconds_between(started_at, now)
            runs.save_camera(run, RunCamera(camera=camera, frames=cases, rejected=len(failed), busy_s=busy_s, finished_at=now))
        runs.finish(run, clock.now())
        return problems

    def _read_camera(self, camera: CameraId, advance: Callable[[], None], stop: threading.Event) -> list[str]:
        problems: list[str] = []
        for violation in self._violations(camera):
            if stop.is_set():
                break
            if not self._sink.has(violation):
                try:
                    self._sink.put(self.read_again(violation))
                except (KeyError, FrameBroken) as error:
                    problems.append(f"case {violation.id}: its pictures are missing or damaged: {error}")
            advance()
        return problems

    def read_again(self, violation: Violation) -> ViolationMessage:
        """The violation with the plate as read now. Raises KeyError, EvidenceCorrupt, FrameBroken."""
        message = stored_message(violation, self._evidence)
        files = {file.sha256: file.data for file in message.files}
        frames = FrameBuffer(_KEEP.total_seconds())
        for picture in sorted(violation.pictures, key=lambda picture: picture.captured_at):
            frames.add(_frame(violation, picture.sequence, files[picture.sha256]))
        plate = self._search.plate_of(_track(violation), (), frames, violation.occurred_at)
        boxes = {sighting.sequence: sighting.plate.box for sighting in plate.sightings}
        pictures = tuple(replace(picture, plate_box=boxes.get(picture.sequence)) for picture in violation.pictures)
        models = tuple((dict(violation.provenance.models) | dict(self._engines.digests)).items())
        provenance = replace(violation.provenance, models=models)
        return replace(message, violation=replace(violation, plate=plate, pictures=pictures, provenance=provenance))

    def _violations(self, camera: CameraId) -> Iterator[Violation]:
        after = None
        while page := self._cases.cases(camera=camera, since=self._plan.since, until=self._plan.until, limit=_PAGE, after=after):
            yield from (case.violation for case in page if case.violation.site == self._plan.site)
            after = page[-1].violation.id


def _frame(violation: Violation, sequence: int, jpeg: bytes) -> Frame:
    picture = next(each for each in violation.pictures if each.sequence == sequence)
    return Frame(
        camera=violation.camera,
        sequence=sequence,
        captured_at=picture.captured_at,
        received_at=picture.captured_at,
        clock_error_s=None,
        width=picture.width,
        height=picture.height,
        sha256=picture.sha256,
        jpeg=jpeg,
    )


def _track(violation: Violation) -> Track:
    """The vehicle in the evidence pictures."""
    boxes = {picture.sequence: picture for picture in violation.pictures if picture.vehicle_box}
    sightings = (
        Sighting(sequence=sequence, captured_at=picture.captured_at, box=picture.vehicle_box, vehicle=violation.vehicle, score=1.0)
        for sequence, picture in boxes.items()
        if picture.vehicle_box
    )
    return Track(id=violation.track, sightings=tuple(sorted(sightings, key=lambda sighting: sighting.captured_at)))
