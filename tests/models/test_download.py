"""Downloading weights from wheels that the test creates: verification, atomic writes and error messages."""

import argparse
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from miniature_yolo import BLUE, blob_finder
from onnx import numpy_helper

from etle.errors import WeightsError, WeightsMissing
from etle.types import digest_of
from etle_cli.commands import models as command
from models.runtime.onnx_edit import class_names, read_graph
from models.weights.catalogue import CATALOGUE, Weights, catalogue, read_catalogue
from models.weights.download import Downloader, PipIndex, WheelDir, convert_checkpoint, select_weights
from models.weights.locate import PACKAGED, models_folder, path_of, weight

PAYLOAD = b"numbers " * 500
ENTRY = Weights(
    name="reader", file="deep/reader.onnx", purpose="reads", sha256=digest_of(PAYLOAD), size=len(PAYLOAD), licence="MIT", measured=(),
    source="wheel", wheel="some-models==1.2.0", member="some_models/data/net.onnx",
)  # fmt: skip


def wheel(folder: Path, members: dict[str, bytes], name: str = "some_models-1.2.0-py3-none-any.whl") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr("some_models-1.2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-models\nVersion: 1.2.0\n")
        archive.writestr("some_models-1.2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("some_models-1.2.0.dist-info/RECORD", "")
    return path


def downloader_of(folder: Path, local: Path, *entries: Weights) -> tuple[Downloader, list[str]]:
    reports: list[str] = []
    return Downloader(folder, WheelDir(local), reports.append, local_dir=local, entries={entry.name: entry for entry in entries}), reports


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_file_is_extracted_from_a_wheel(local: Path, target: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD, "some_models/__init__.py": b"raise SystemExit"})
    downloader, reports = downloader_of(target, local)
    path = downloader.fetch(ENTRY)
    assert path == target / "deep" / "reader.onnx"
    assert path.read_bytes() == PAYLOAD
    assert [file for file in target.rglob("*") if file.is_file()] == [path], "no other file remains"
    assert reports == [f"reader: 0.0 MB in {path}"]


def test_an_existing_file_is_kept(local: Path, target: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD})
    path = downloader_of(target, local)[0].fetch(ENTRY)
    changed = path.stat().st_mtime_ns
    (local / "some_models-1.2.0-py3-none-any.whl").unlink()
    downloader, reports = downloader_of(target, local)
    assert downloader.fetch(ENTRY).stat().st_mtime_ns == changed
    assert reports == ["reader: already present"]


def test_a_damaged_file_is_downloaded_again(local: Path, target: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD})
    path = downloader_of(target, local)[0].fetch(ENTRY)
    path.write_bytes(PAYLOAD[:-1])
    assert downloader_of(target, local)[0].fetch(ENTRY).read_bytes() == PAYLOAD


@pytest.mark.parametrize("name", ["net.onnx", "reader.onnx"], ids=["as in the wheel", "in its final form"])
def test_a_local_file_is_used(local: Path, target: Path, name: str) -> None:
    (local / name).write_bytes(PAYLOAD)
    assert downloader_of(target, local)[0].fetch(ENTRY).read_bytes() == PAYLOAD


@pytest.mark.parametrize(
    "prepare, message",
    [
        pytest.param(lambda folder: None, r"neither some_models-1.2.0-\*.*pip download --no-deps some-models==1.2.0", id="no file"),
        pytest.param(lambda folder: wheel(folder, {ENTRY.member: b"others"}), "another digest.*do not use it", id="another file in it"),
        pytest.param(lambda folder: wheel(folder, {"x": PAYLOAD}), "does not contain some_models/data/net.onnx", id="no such file in it"),
        pytest.param(
            lambda folder: (folder / "some_models-1.2.0-py3-none-any.whl").write_bytes(b"PK"), "is damaged", id="a wheel that is cut off"
        ),
        pytest.param(lambda folder: wheel(folder, {ENTRY.member: PAYLOAD}, "some_models-1.3-x.whl"), "neither some_models", id="another"),
        pytest.param(lambda folder: (folder / "net.onnx").write_bytes(b"others"), "models pull reader --local", id="another digest"),
    ],
)  # fmt: skip
def test_a_failed_download_is_named_and_leaves_no_file(local: Path, target: Path, prepare: Callable[[Path], object], message: str) -> None:
    prepare(local)
    with pytest.raises(WeightsError, match=message):
        downloader_of(target, local)[0].fetch(ENTRY)
    assert not [file for file in target.rglob("*") if file.is_file()]


def test_an_unwritable_folder_is_named(local: Path, target: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD})
    target.mkdir()
    (target / "deep").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="cannot be written"):
        downloader_of(target, local)[0].fetch(ENTRY)


@pytest.mark.slow
def test_pip_downloads_each_wheel_once(local: Path, target: Path, tmp_path: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD, "some_models/data/other.onnx": PAYLOAD})
    reports: list[str] = []
    (tmp_path / "downloads").mkdir()
    index = PipIndex(tmp_path / "downloads", reports.append, options=("--no-index", "--find-links", str(local)))
    downloader = Downloader(target, index, reports.append)
    other = replace(ENTRY, name="other", file="other.onnx", member="some_models/data/other.onnx")
    assert downloader.fetch(ENTRY).read_bytes() == downloader.fetch(other).read_bytes() == PAYLOAD
    assert reports.count("downloading some-models==1.2.0") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "index, message",
    [
        pytest.param({"options": ("--no-index",)}, "No matching distribution", id="the index has no such wheel"),
        pytest.param({"python": "/no/such/python"}, "No such file", id="no pip"),
    ],
)
def test_an_error_of_pip_is_quoted_with_instructions(tmp_path: Path, target: Path, index: dict[str, object], message: str) -> None:
    downloader = Downloader(target, PipIndex(tmp_path, lambda _: None, **index), lambda _: None)
    with pytest.raises(WeightsError, match=f"some-models==1.2.0 cannot be downloaded: .*{message}.*--local FOLDER"):
        downloader.fetch(ENTRY)


@pytest.mark.torch
def checkpoint(path: Path) -> bytes:
    """A torch checkpoint of the miniature network, as ultralytics writes them."""
    torch = pytest.importorskip("torch", reason="comes with the torch extra")
    donor = blob_finder(names={0: "plate"}, colours=(BLUE,))
    tensors = {t.name: numpy_helper.to_array(t) for t in donor.graph.initializer if t.name.startswith("model.")}
    model = torch.nn.Module()
    for name, value in tensors.items():
        node = model
        for part in name.split(".")[:-1]:
            if part not in node._modules:
                node.add_module(part, torch.nn.Module())
            node = node._modules[part]
        node.register_parameter(name.split(".")[-1], torch.nn.Parameter(torch.from_numpy(value.copy())))
    torch.save({"model": model.half(), "ema": None, "train_args": {"imgsz": 64}}, path)
    return path.read_bytes()


@pytest.mark.slow
def test_a_checkpoint_is_converted_to_onnx_with_the_graph_of_another_entry(local: Path, target: Path, tmp_path: Path) -> None:
    graph = blob_finder(names={0: "car", 1: "motorcycle", 2: "bus"}).SerializeToString()
    donor = checkpoint(tmp_path / "donor.pt")
    (tmp_path / "graph.onnx").write_bytes(graph)
    finished = convert_checkpoint(tmp_path / "graph.onnx", donor, ("plate",))
    wheel(local, {ENTRY.member: graph, "some_models/best.pt": donor})
    base = replace(ENTRY, name="base", file="base.onnx", sha256=digest_of(graph))
    plates = replace(
        ENTRY, name="plates", file="plates.onnx", sha256=digest_of(finished), member="some_models/best.pt", member_sha256=digest_of(donor),
        recipe="convert", graph="base", classes=("plate",),
    )  # fmt: skip
    downloader, reports = downloader_of(target, local, base)
    made = read_graph(downloader.fetch(plates))
    downloader.fetch(base)
    assert class_names(made) == {0: "plate"}
    assert [line.split(":")[0] for line in reports] == ["base", "converting best.pt", "plates"], "each once"
    with pytest.raises(WeightsError, match="another digest than"):
        downloader_of(tmp_path / "other", local, base)[0].fetch(replace(plates, sha256=digest_of(b"")))


def test_weights_are_verified_when_they_are_located(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="etle models pull vehicles"):
        weight("vehicles", folder=tmp_path)
    (tmp_path / "vehicles.onnx").write_bytes(b"others")
    with pytest.raises(WeightsError, match=r"differs from.*Delete it"):
        weight("vehicles", folder=tmp_path)
    with pytest.raises(WeightsError, match=r"no weights 'vehicels'\. There are: vehicles, plates"):
        weight("vehicels", folder=tmp_path)


def test_a_changed_file_is_noticed(local: Path, target: Path) -> None:
    wheel(local, {ENTRY.member: PAYLOAD})
    path = downloader_of(target, local)[0].fetch(ENTRY)
    path.write_bytes(PAYLOAD.upper())
    os.utime(path, ns=(1, 1))
    downloader, reports = downloader_of(target, local)
    assert downloader.fetch(ENTRY).read_bytes() == PAYLOAD
    assert reports != ["reader: already present"]


@pytest.mark.parametrize(
    "environment, folder",
    [
        pytest.param({"ETLE_MODELS": "/srv/models"}, Path("/srv/models"), id="ETLE_MODELS"),
        pytest.param({"XDG_DATA_HOME": "/srv/data"}, Path("/srv/data/etle/models"), id="XDG_DATA_HOME"),
        pytest.param({"XDG_DATA_HOME": ""}, Path.home() / ".local/share/etle/models", id="an empty XDG_DATA_HOME"),
        pytest.param({}, Path.home() / ".local/share/etle/models", id="neither"),
    ],
)
def test_the_models_folder(environment: dict[str, str], folder: Path) -> None:
    assert models_folder(environment) == folder


def test_catalogue_entries_are_complete() -> None:
    entries = catalogue()
    for entry in entries.values():
        assert len(entry.sha256) == 64
        assert entry.size > 0
        assert entry.purpose and entry.licence
        if entry.source == "wheel":
            assert entry.wheel.count("==") == 1 and entry.member
        else:
            assert path_of(entry, Path("/elsewhere")).parent == PACKAGED
            assert weight(entry.name)
        if entry.recipe == "convert":
            assert entries[entry.graph].recipe == "copy" and entry.classes
    assert [entry.name for entry in select_weights([], everything=False)] == [name for name, entry in entries.items() if not entry.optional]
    assert [entry.name for entry in select_weights([], everything=True)] == list(entries)
    assert [entry.name for entry in select_weights(["easyocr-recognition"], everything=False)] == ["easyocr-recognition"]


@pytest.mark.parametrize(
    "text, message",
    [
        pytest.param("weights = 3", "Expected `array`", id="another shape"),
        pytest.param('[[weights]]\nname = "x"', "missing required field", id="a key too few"),
        pytest.param("[[weights", "cannot be read", id="no TOML"),
    ],
)
def test_an_invalid_catalogue_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(WeightsError, match=message):
        read_catalogue(tmp_path / "c.toml")
    (tmp_path / "d.toml").write_text(CATALOGUE.read_text().replace("purpose =", "purpos = 'x'\npurpose =", 1))
    with pytest.raises(WeightsError, match="unknown key 'purpos'"):
        read_catalogue(tmp_path / "d.toml")


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    args = parser.parse_args(["models", *argv])
    return int(args.run(args))


def test_the_command_lists_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plates.onnx").write_bytes(b"others")
    assert run("list", "--json", "--folder", str(tmp_path)) == 0
    states = {line["name"]: line["state"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert states["vehicles"] == "missing"
    assert states["plates"] == "damaged"
    assert run("list", "--folder", str(tmp_path)) == 0
    assert "AGPL-3.0" in capsys.readouterr().out


def test_the_command_rejects_unknown_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights 'plate'"):
        run("pull", "plate", "--folder", str(tmp_path))
    with pytest.raises(WeightsError, match="is not a folder"):
        run("pull", "--local", str(tmp_path / "none"), "--folder", str(tmp_path))


@pytest.mark.slow
def test_the_command_downloads_the_real_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the index that pip is configured for: 45 MB."""
    assert run("pull", "--folder", str(tmp_path)) == 0
    assert run("pull", "plates", "--folder", str(tmp_path)) == 0
    for entry in (*select_weights([], everything=False), *select_weights(["plates"], everything=False)):
        assert weight(entry.name, folder=tmp_path).stat().st_size == entry.size or entry.source == "repository"
    assert "converting best.pt" in capsys.readouterr().out
