"""Errors name their cause and the fix, and results found before the error are kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import pytest
import yaml
from demo_footage import FOOTAGE, DemoRun, etle, violations

from etle.media.video import encode_clip
from etle_cli.main import main


def site_file(folder: Path, source: dict[str, object], **changes: object) -> Path:
    """The first camera of the demo site with another source."""
    document = yaml.safe_load((FOOTAGE / "site.yaml").read_text())
    camera = {**document["cameras"][0], "source": source, **changes}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({**document, "cameras": [camera]}))
    return path


def run(site: Path, data: Path, camera: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "etle_cli.main", "run", str(site), "--data", str(data)]
    command += ["--camera", camera] if camera else []
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def flat(done: subprocess.CompletedProcess[str]) -> str:
    """Output of both streams without line breaks."""
    return " ".join((done.stdout + done.stderr).split())


def main_in(folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and output of a command in this process, run in `folder`."""
    monkeypatch.chdir(folder)
    code = main(words)
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.parametrize("words", [["run", "site.yaml"], ["check", "site.yaml"], ["init", "clip.mp4"]])
def test_a_folder_whose_name_is_not_utf8_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    code, told = main_in(folder, words, monkeypatch, capsys)
    assert (code, told.count("\n")) == (1, 1)
    assert rf"{tmp_path}/caf\xe9: this name is not UTF-8" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["init", os.fsdecode(b"caf\xe9.mp4")], r"caf\xe9.mp4: this name is not UTF-8", id="a name that is not UTF-8"),
        pytest.param(["init", "x" * 300], "File name too long", id="a name of 300 bytes"),
        pytest.param(["check", "x" * 300], "File name too long", id="a site file with a name of 300 bytes"),
        pytest.param(["init", "rtsp://a:Rahasia#77@h:x/1"], "no valid host and port", id="an address that is none"),
    ],
)
def test_a_name_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], told: str
):
    code, shown = main_in(tmp_path, words, monkeypatch, capsys)
    assert code == 1 and "Traceback" not in shown
    assert told in shown and "Rahasia" not in shown


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"source": {"file": "x" * 300 + ".mp4"}}, "`file`: a file name has at most 255 bytes", id="a name of 304 bytes"),
        pytest.param({"ground_points": [{"px": [1, 1], "m": [float("nan"), 1]}] * 4}, "finite number", id="not a number"),
        pytest.param({"frame_size": [float("inf"), 480]}, "finite number", id="an infinite size"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: dict[str, object], told: str
):
    site = site_file(tmp_path, {"file": "clip.mp4"}, **{key: value for key, value in change.items() if key != "source"})
    if "source" in change:
        site = site_file(tmp_path, change["source"])  # type: ignore[arg-type]
    code, shown = main_in(tmp_path, ["check", str(site)], monkeypatch, capsys)
    assert code == 1
    assert "cameras[0]" in shown and told in shown


@pytest.fixture
def clip(demo_run: DemoRun) -> Path:
    """The bundled clip; depends on `demo_run`, which skips without weights."""
    return FOOTAGE / "masuk.mp4"


def test_a_misspelt_key_is_named_with_the_nearest_valid_key(tmp_path: Path):
    site = site_file(tmp_path, {"file": "clip.mp4"}, signalz=[])
    done = run(site, tmp_path / "data")
    assert done.returncode == 1
    assert str(site) in flat(done)
    assert "cameras[0].signalz: unknown key; did you mean 'signals'?" in flat(done)


def test_a_misspelt_setting_of_a_rule_is_named(tmp_path: Path, clip: Path):
    rule = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat", "grace": 1}
    done = run(site_file(tmp_path, {"file": str(clip)}, rules=[rule]), tmp_path / "data")
    assert done.returncode == 1
    assert "rule 'red_light'" in flat(done)
    assert "grace_s" in flat(done)


def test_a_rule_with_an_unknown_line_lists_the_lines_of_the_camera(tmp_path: Path, clip: Path):
    rule = {"rule": "red_light", "line": "hent", "entry": "simpang", "signal": "barat"}
    done = run(site_file(tmp_path, {"file": str(clip)}, rules=[rule]), tmp_path / "data")
    assert done.returncode == 1
    assert "has no line 'hent'; it has: henti, simpang" in flat(done)


def test_missing_weights_name_the_command_that_downloads_them(tmp_path: Path, clip: Path):
    done = run(site_file(tmp_path, {"file": str(clip)}), tmp_path / "data", ETLE_MODELS=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "etle models pull" in flat(done)
    assert "nowhere" in flat(done)


def test_a_missing_video_is_named(tmp_path: Path, clip: Path):
    done = run(site_file(tmp_path, {"file": "gone.mp4"}), tmp_path / "data")
    assert done.returncode == 1
    assert "gone.mp4: no such video file" in flat(done)


def index_in_front(clip: Path, folder: Path) -> bytes:
    """The same video with its index in front, so that a truncated copy can be read."""
    path = folder / "front.mp4"
    with av.open(str(clip)) as given, av.open(str(path), "w", options={"movflags": "faststart"}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return path.read_bytes()


def test_violations_before_the_end_of_a_truncated_video_are_kept(tmp_path: Path, demo_run: DemoRun, clip: Path):
    cut = tmp_path / "masuk.mp4"
    data = index_in_front(clip, tmp_path)
    cut.write_bytes(data[: len(data) * 8 // 10])
    camera = yaml.safe_load((FOOTAGE / "site.yaml").read_text())["cameras"][0]
    done = run(site_file(tmp_path, {**camera["source"], "file": str(cut)}), tmp_path / "data")
    assert done.returncode == 1
    assert f"{cut}: is truncated" in flat(done)
    assert "Copy the file again" in flat(done)
    whole = {row["id"]: row for row in violations(demo_run.data)}
    kept = violations(tmp_path / "data")
    assert kept
    assert all(row["id"] in whole for row in kept)


def test_a_broken_picture_is_named_and_the_others_are_processed(tmp_path: Path, clip: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    video = cv2.VideoCapture(str(clip))
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), video.read()[1])
    broken = folder / "0005.jpg"
    broken.write_bytes(broken.read_bytes()[:5000])
    done = run(site_file(tmp_path, {"folder": str(folder), "fps": 10, "starts_at": "2026-11-23T10:00:00+07:00"}), tmp_path / "data")
    assert done.returncode == 0, flat(done)
    assert str(broken) in flat(done)
    assert "11 frames" in flat(done)


def test_a_run_whose_signal_could_not_be_read_says_so(tmp_path: Path, clip: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    video = cv2.VideoCapture(str(clip))
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), video.read()[1])
    source = {"folder": str(folder), "fps": 10, "starts_at": "2026-11-23T10:00:00+07:00"}
    asphalt = [{"id": "barat", "head": [900, 900, 930, 990]}]
    done = run(site_file(tmp_path, source, signals=asphalt), tmp_path / "data")
    assert done.returncode == 0, flat(done)
    assert "0 new violations" in flat(done)
    assert "signal `barat` could not be read in 100 % of frames (10:00:00 to 10:00:01)" in flat(done)


@pytest.mark.slow
def test_a_recording_is_checked_and_explained_without_storing_anything(tmp_path: Path, clip: Path):
    video = cv2.VideoCapture(str(clip))
    recording = tmp_path / "recording.mp4"
    recording.write_bytes(encode_clip([video.read()[1] for _ in range(12)], 10, 1920, 1080))
    site = site_file(tmp_path, {"rtsp": "rtsp://127.0.0.1:9/a"}, signals=[{"id": "barat", "head": [900, 900, 930, 990]}])
    environment = {**os.environ, "ETLE_DATA": str(tmp_path / "data")}

    def etle_on_recording(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "etle_cli.main", *words, "--footage", str(recording)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)

    checked = etle_on_recording("check", str(site))
    assert checked.returncode == 0, flat(checked)
    assert "12 frames" in flat(checked)
    assert "signal barat: unknown 100 %" in flat(checked)
    assert "signal `barat` could not be read in 100 % of frames" in flat(checked)
    explained = etle_on_recording("explain", str(site), "--out", "told")
    assert explained.returncode == 0, flat(explained)
    assert {path.name for path in (tmp_path / "told").iterdir()} == {"explain.mp4", "vehicles.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"recording.mp4", "site.yaml", "told"}


def test_frames_of_another_size_than_frame_size_are_refused(tmp_path: Path, clip: Path):
    done = run(site_file(tmp_path, {"file": str(clip)}, frame_size=[1280, 720]), tmp_path / "data")
    assert done.returncode == 1
    assert "is 1920x1080, but the site file's lines are drawn on 1280x720" in flat(done)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="making a small disk takes root and mount")
def test_a_full_evidence_disk_is_reported_and_nothing_is_lost(tmp_path: Path, demo_run: DemoRun, clip: Path):
    evidence = tmp_path / "data" / "evidence"
    evidence.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(evidence)], check=True)
    try:
        done = run(FOOTAGE / "site.yaml", tmp_path / "data", camera="demo-masuk")
    finally:
        subprocess.run(["umount", str(evidence)], check=True)
    assert done.returncode == 1
    assert str(evidence) in flat(done)
    assert "Make room" in flat(done)
    assert "nothing was lost" in flat(done)
    etle("run", FOOTAGE / "site.yaml", "--data", tmp_path / "data", "--camera", "demo-masuk")
    assert violations(tmp_path / "data") == [row for row in violations(demo_run.data) if row["camera"] == "demo-masuk"]
