"""Writes the tables of a data set: our plate table, YOLO and COCO. Pictures are written by `export`; these files can be written anew."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from etle.files import write_atomic
from etle.types import VehicleClass
from pipeline.datasets.pictures import DatasetLabel, DatasetPicture, LabelOrigin
from pipeline.evaluation.dataset import PHOTOS

_COLUMNS = ("file", "plate_text", "x1", "y1", "x2", "y2", "vehicle", "plate_colour", "source", "licence", "box_kind", "note")
_VEHICLES = tuple(vehicle.value for vehicle in VehicleClass)


def write_plate_table(folder: Path, pictures: Sequence[DatasetPicture]) -> None:
    """`plates_full.csv`, which `etle evaluate plates` and `etle models train reader --finetune` read. Colours are left blank: reviewers do
    not check them."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for picture in pictures:
        for label in _plates(picture):
            sides = {name: f"{value:g}" for name, value in zip(("x1", "y1", "x2", "y2"), label.box, strict=True)}
            table.writerow(
                {
                    "file": picture_path(picture),
                    "plate_text": label.text,
                    **sides,
                    "vehicle": label.vehicle,
                    "source": picture.camera,
                    "licence": "evidence, see LICENCE.md",
                    "box_kind": LabelOrigin.DETECTOR.value,
                    "note": "corrected" if label.corrected else "",
                }
            )
    write_atomic(folder / PHOTOS, text.getvalue().encode())


def write_yolo(folder: Path, pictures: Sequence[DatasetPicture]) -> None:
    """`data.yaml` and a text file beside each picture's split, as ultralytics reads them: class, then the box relative to the picture."""
    names = class_names(pictures)
    for picture in pictures:
        rows = [
            f"{names.index(label.name)} {label.box.centre.x / picture.width:.6f} {label.box.centre.y / picture.height:.6f} "
            f"{label.box.width / picture.width:.6f} {label.box.height / picture.height:.6f}\n"
            for label in picture.labels
        ]
        target = (folder / "labels" / picture.split / picture.file).with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, "".join(rows).encode())
    lines = ["# Read by ultralytics. Paths are relative to this file.", "train: images/train", "val: images/val", "names:"]
    lines += [f"  {number}: {name}" for number, name in enumerate(names)]
    write_atomic(folder / "data.yaml", ("\n".join(lines) + "\n").encode())


def write_coco(folder: Path, pictures: Sequence[DatasetPicture]) -> None:
    """`annotations/instances_SPLIT.json`. Boxes are x, y, width, height in pixels; `attributes` say who stands behind a label."""
    names = class_names(pictures)
    (folder / "annotations").mkdir(exist_ok=True)
    for split in ("train", "val"):
        own = [picture for picture in pictures if picture.split == split]
        labels = [(number, label) for number, picture in enumerate(own, 1) for label in picture.labels]
        document = {
            "info": {"description": "Decided cases of etle", "contributor": "etle dataset export"},
            "licenses": [{"id": 1, "name": "evidence, see LICENCE.md"}],
            "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
            "images": [
                {
                    "id": number,
                    "file_name": picture_path(picture),
                    "width": picture.width,
                    "height": picture.height,
                    "license": 1,
                    "date_captured": picture.captured_at.isoformat(),
                }
                for number, picture in enumerate(own, 1)
            ],
            "annotations": [_annotation(number, image, label, names) for number, (image, label) in enumerate(labels, 1)],
        }
        write_atomic(folder / "annotations" / f"instances_{split}.json", json.dumps(document, indent=1).encode())


def _annotation(number: int, image: int, label: DatasetLabel, names: Sequence[str]) -> dict[str, object]:
    attributes = {"origin": label.origin.value, "text": label.text, "violation": label.violation}
    return {
        "id": number,
        "image_id": image,
        "category_id": names.index(label.name) + 1,
        "bbox": [label.box.x1, label.box.y1, label.box.width, label.box.height],
        "area": label.box.area,
        "iscrowd": 0,
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }


FORMATS: Final[Mapping[str, Callable[[Path, Sequence[DatasetPicture]], None]]] = {
    "plates": write_plate_table,
    "yolo": write_yolo,
    "coco": write_coco,
}
"""By the name that `etle dataset export --format` takes."""


def picture_path(picture: DatasetPicture) -> str:
    """Relative to the folder of the data set; where YOLO looks for it."""
    return f"images/{picture.split}/{picture.file}"


def class_names(pictures: Sequence[DatasetPicture]) -> tuple[str, ...]:
    """All classes of vehicles, in the order of `VehicleClass`, or `plate` alone."""
    return ("plate",) if any(_plates(picture) for picture in pictures) else _VEHICLES


def _plates(picture: DatasetPicture) -> list[DatasetLabel]:
    return [label for label in picture.labels if label.name == "plate"]
