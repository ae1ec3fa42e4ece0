"""Exports decided cases as a data set, and deletes from it what may not be kept any longer."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import ConfigError, EvidenceCorrupt
from etle.files import write_atomic
from etle.protocols import CaseStore, EvidenceStore
from etle.types import Case, Provenance, Verdict
from pipeline.datasets.formats import FORMATS, picture_path
from pipeline.datasets.pictures import DatasetPicture, PictureOptions, decoded, merged, pictures_of, vehicle_crops, with_other_vehicles

if TYPE_CHECKING:
    from etle.protocols import VehicleDetector

INDEX: Final = "dataset.json"
LICENCE: Final = "LICENCE.md"
_PAGE_SIZE = 200
_LICENCE_TEXT = """# Licence and limits of this data set

Made from evidence of traffic violations that reviewers decided. The pictures show number plates and people: personal data (UU 27/2022,
Pelindungan Data Pribadi). They may be used inside the deployment that recorded them, to train and to measure its models; they carry no
licence for anything else and may not be published or given to third parties.

Each picture may be kept until its `delete_after` in {index}; `etle dataset prune` deletes what is past it. Delete copies likewise.

Texts of plates and the vehicles of cases: confirmed or corrected by reviewers. Boxes, and vehicles with `origin: detector`: found by models
whose licences apply to what is trained on them:

{models}
"""


class DatasetContent(StrEnum):
    """What the labels of a data set are about."""

    PLATES = "plates"
    """Plates: whole frames in the plate table, crops of vehicles in the other formats."""
    VEHICLES = "vehicles"
    """Vehicles in whole frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    folder: Path
    content: DatasetContent
    format: str
    """A name of `FORMATS`."""
    since: datetime | None
    until: datetime | None
    camera: str | None
    pictures: PictureOptions

    def check(self) -> None:
        """Raises ConfigError."""
        if self.format == "plates" and self.content is not DatasetContent.PLATES:
            raise ConfigError("the plate table has plates only: give --format yolo or coco for vehicles")
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ConfigError(f"{self.folder} exists and is not an empty folder: give another one")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetIndex:
    """The content of `dataset.json`."""

    created_at: datetime
    content: DatasetContent
    format: str
    pictures: tuple[DatasetPicture, ...]


prepare(DatasetIndex)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What was exported, and why not more."""

    index: DatasetIndex
    cases: int
    """Decided cases in the range."""
    too_old: int
    """Cases whose pictures may not be kept any longer."""
    without_label: int
    """Cases that were rejected, or whose plate could not be read or is not the one in the box."""
    unreadable: int
    """Pictures that are missing, changed or cannot be decoded."""

    @property
    def labels(self) -> Counter[str]:
        return Counter(label.name for picture in self.index.pictures for label in picture.labels)


def export_dataset(
    options: DatasetOptions, cases: CaseStore, evidence: EvidenceStore, detector: "VehicleDetector | None", now: datetime
) -> DatasetSummary:
    """`detector` finds the vehicles that no case is about; None leaves them out. Raises ConfigError, StoreUnavailable.

    The folder is complete once it has a `dataset.json`.
    """
    options.check()
    decided = list(_decided(options, cases))
    kept = [case for case in decided if case.violation.occurred_at + options.pictures.retention > now]
    labelled = [list(pictures_of(case, options.pictures)) for case in kept]
    writer = _PictureWriter(options, evidence, detector)
    pictures = tuple(writer.write(merged(picture for entries in labelled for picture in entries)))
    index = DatasetIndex(created_at=now, content=options.content, format=options.format, pictures=pictures)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(options.folder / LICENCE, _licence(kept).encode())
    _write_index(options.folder, index)
    return DatasetSummary(
        index=index,
        cases=len(decided),
        too_old=len(decided) - len(kept),
        without_label=sum(not entries for entries in labelled),
        unreadable=writer.unreadable,
    )


def prune_dataset(folder: Path, now: datetime) -> tuple[int, int]:
    """Delete the pictures that may not be kept any longer, with their labels. Returns how many were deleted and how many are left.

    Raises ConfigError if the folder is no data set.
    """
    index = read_index(folder)
    expired = [picture for picture in index.pictures if picture.delete_after <= now]
    kept = tuple(picture for picture in index.pictures if picture.delete_after > now)
    for picture in expired:
        (folder / picture_path(picture)).unlink(missing_ok=True)
        (folder / "labels" / picture.split / picture.file).with_suffix(".txt").unlink(missing_ok=True)
    if expired:
        _write_index(folder, replace(index, pictures=kept))
    return len(expired), len(kept)


def read_index(folder: Path) -> DatasetIndex:
    """Raises ConfigError."""
    try:
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=DatasetIndex)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{folder} is not a data set that `etle dataset export` wrote: {error}") from error


class _PictureWriter:
    """Writes the pictures of a data set one by one, so that memory use does not grow with them."""

    def __init__(self, options: DatasetOptions, evidence: EvidenceStore, detector: "VehicleDetector | None") -> None:
        self._options = options
        self._evidence = evidence
        self._detector = detector
        self.unreadable = 0

    def write(self, pictures: Iterable[DatasetPicture]) -> Iterator[DatasetPicture]:
        for picture in pictures:
            try:
                jpeg = self._evidence.get(picture.evidence)
            except (KeyError, EvidenceCorrupt):
                self.unreadable += 1
                continue
            for entry, data in self._entries(picture, jpeg):
                target = self._options.folder / picture_path(entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(target, data, mode=0o600)
                yield entry

    def _entries(self, picture: DatasetPicture, jpeg: bytes) -> Iterator[tuple[DatasetPicture, bytes]]:
        if self._options.content is DatasetContent.PLATES and self._options.format == "plates":
            plates = tuple(label for label in picture.labels if label.name == "plate")
            if plates:
                yield replace(picture, labels=plates), jpeg
            return
        image = decoded(jpeg)
        if image is None:
            self.unreadable += 1
        elif self._options.content is DatasetContent.PLATES:
            yield from vehicle_crops(picture, image)
        else:
            vehicles = tuple(label for label in picture.labels if label.name != "plate")
            whole = with_other_vehicles(picture, image, self._detector) if self._detector else replace(picture, labels=vehicles)
            if whole.labels:
                yield whole, jpeg


def _decided(options: DatasetOptions, cases: CaseStore) -> Iterator[Case]:
    for verdict in Verdict:
        after = None
        while page := cases.cases(
            state=verdict, camera=options.camera, since=options.since, until=options.until, limit=_PAGE_SIZE, after=after
        ):
            yield from page
            after = page[-1].violation.id


def _licence(cases: Iterable[Case]) -> str:
    def names(provenance: Provenance) -> Iterator[str]:
        return (f"- {name} ({digest})" for name, digest in provenance.models)

    models = sorted({line for case in cases for line in names(case.violation.provenance)})
    return _LICENCE_TEXT.format(index=INDEX, models="\n".join(models) or "- none")


def _write_index(folder: Path, index: DatasetIndex) -> None:
    """The tables first: a data set with an index is complete."""
    FORMATS[index.format](folder, index.pictures)
    write_atomic(folder / INDEX, msgspec.json.format(msgspec.json.encode(index), indent=1))
