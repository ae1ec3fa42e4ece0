"""Cases in memory with drawn pictures, as reviewers decided them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np

from etle.testing.cases import MemoryCases
from etle.testing.stores import MemoryEvidence
from etle.testing.values import a_decision, a_plate, a_violation_message
from etle.types import Box, Case, Digest, EvidenceFile, Verdict, ViolationId, digest_of
from pipeline.datasets.export import DatasetContent, DatasetOptions, DatasetSummary, export_dataset
from pipeline.datasets.pictures import PictureOptions

NOW = datetime(2026, 11, 28, tzinfo=UTC)
WIDTH, HEIGHT = 320, 200
MODEL = ("plate-finder", Digest("ab" * 32))
VEHICLE, PLATE = Box(40, 50, 140, 150), Box(60, 120, 120, 140)


def jpeg(shade: int) -> bytes:
    picture = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
    cv2.rectangle(picture, (60, 120), (120, 140), (250, 250, 250), -1)
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Office:
    """Cases in memory, each with one picture."""

    def __init__(self) -> None:
        self.cases, self.evidence = MemoryCases(), MemoryEvidence()

    def add(self, number: int, *, read: str | None, decided: str | None, verdict: Verdict = Verdict.CONFIRM, days_ago: float = 3) -> Case:
        data = jpeg(60 + number)
        self.evidence.put(data, ".jpg")
        message = a_violation_message()
        picture = replace(
            message.violation.pictures[0], sha256=digest_of(data), width=WIDTH, height=HEIGHT, vehicle_box=VEHICLE, plate_box=PLATE
        )
        violation = replace(
            message.violation,
            id=ViolationId(UUID(int=number)),
            pictures=(picture,),
            plate=a_plate(read),
            occurred_at=NOW - timedelta(days=days_ago),
            provenance=replace(message.violation.provenance, models=(MODEL,)),
        )
        self.cases.add(violation, [EvidenceFile(sha256=digest_of(data), suffix=".jpg", data=data)])
        decision = replace(a_decision(violation, verdict), plate_text=decided)
        self.cases.decide(decision, any_lease=True)
        case = self.cases.case(violation.id)
        assert case is not None
        return case

    def export_vehicles(self, folder: Path) -> DatasetSummary:
        return self.export(folder, DatasetContent.VEHICLES, "yolo", share=0.4)

    def export(self, folder: Path, content: DatasetContent, form: str, *, detector=None, share: float = 0.0) -> DatasetSummary:
        options = DatasetOptions(
            folder=folder,
            content=content,
            format=form,
            since=None,
            until=None,
            camera=None,
            pictures=PictureOptions(retention=timedelta(days=30), validation_share=share),
        )
        return export_dataset(options, self.cases, self.evidence, detector, NOW)
