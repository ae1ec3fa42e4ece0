"""`etle init`: new site files, and the positions of a site file drawn on pictures."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from footage.http_cameras import http_camera, paced, plain
from footage.videos import image_of, jpeg, write_video
from numpy.typing import NDArray

from etle.clock import SystemClock
from etle.config.site import CameraSettings, DetectionSettings, EvidenceSettings, Site, load_site
from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.plates.watch_file import WatchFile
from etle.types import View
from etle_cli.commands import init
from pipeline.site_setup.template import guess_positions

Init = Callable[..., str]


@pytest.fixture
def etle_init(capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs `etle init` and returns its output."""
    parser = argparse.ArgumentParser()
    init.add(parser.add_subparsers())

    def run(*arguments: str | Path) -> str:
        args = parser.parse_args(["init", *map(str, arguments)])
        assert args.run(args) == 0
        return capsys.readouterr().out

    return run


def road(path: Path, *, speed_px: float, size: tuple[int, int] = (640, 360), count: int = 40) -> Path:
    """A video of vehicles on a textured road. `speed_px`: pixels per frame (0.1 s), down the picture; negative: up."""
    ground = cv2.GaussianBlur(np.random.default_rng(1).integers(60, 130, (size[1], size[0], 3), np.uint8), (0, 0), 2)
    body = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 255, (60, 80, 3), np.uint8), (0, 0), 3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            image = ground.copy()
            for lane, start in ((150, 40), (330, 200), (500, 120)):
                y = int(start + number * speed_px) % (size[1] - 60)
                image[y : y + 60, lane : lane + 80] = body
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_a_new_site_file_loads_with_the_facts_of_the_video(etle_init: Init, tmp_path: Path) -> None:
    video = write_video(tmp_path / "Simpang Lima 2.mp4", 30, created_at="2026-05-04T03:02:01Z")
    output = etle_init(video, "--out", tmp_path / "site")
    (camera,) = load_site(tmp_path / "site" / "site.yaml").cameras
    assert camera.id == "simpang-lima-2"
    assert camera.frame_size == (320, 240)
    assert camera.source.file is not None and camera.source.file.resolve() == video.resolve()
    assert camera.source.starts_at is not None and camera.source.starts_at.isoformat() == "2026-05-04T10:02:01+07:00"
    assert camera.rules == ()
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["frame-grid.jpg", "frame.jpg", "site.schema.json", "site.yaml"]
    for word in ("site.yaml", "frame-grid.jpg", "`head`", "`beyond`", "`along`", "`starts_at` is 2026-05-04 03:02 UTC", "etle run"):
        assert word in output


def test_the_frame_is_from_after_the_first_second(etle_init: Init, tmp_path: Path) -> None:
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.video_file import VideoFileSource

    video = write_video(tmp_path / "a.mp4", 40)
    etle_init(video, "--out", tmp_path)
    from etle.clock import SystemClock
    from etle.types import CameraId

    frames = list(VideoFileSource(CameraId("a"), video, SystemClock(), FrameLossCounter()).frames())
    assert (tmp_path / "frame.jpg").read_bytes() in [frame.jpeg for frame in frames[10:13]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("speed_px", "options", "view", "note"),
    [
        pytest.param(-6, [], View.REAR, "vehicles move away from the camera", id="up the picture: rear"),
        pytest.param(6, [], View.FRONT, "vehicles move towards the camera", id="down the picture: front"),
        pytest.param(0, [], View.REAR, "CHECK: not clear from the pictures", id="nothing moves: not known, with a note"),
        pytest.param(-6, ["--view", "front"], View.FRONT, "", id="given as an option"),
    ],
)
def test_view(etle_init: Init, tmp_path: Path, speed_px: float, options: list[str], view: View, note: str) -> None:
    etle_init(road(tmp_path / "a.mp4", speed_px=speed_px), "--out", tmp_path, *options)
    assert load_site(tmp_path / "site.yaml").cameras[0].view is view
    assert note in (tmp_path / "site.yaml").read_text()


@pytest.mark.parametrize("view", list(View))
def test_the_guessed_positions_agree_with_the_direction_of_travel(view: View) -> None:
    guess = guess_positions(1920, 1080, view)
    up = guess.along[1][1] < guess.along[0][1]
    assert up is (view is View.REAR)
    assert (guess.beyond[1] < guess.stop_line[0][1]) is up
    assert (guess.junction[0][1] < guess.stop_line[0][1]) is up


def uncommented(text: str, key: str) -> str:
    """The text without the comment signs of the block that starts with this key."""
    block = re.search(rf"^( *)# {key}:.*\n(?:\1#  +.*\n)+", text, re.MULTILINE)
    assert block, key
    indent = block[1]
    return text.replace(block[0], re.sub(rf"^{indent}# ", indent, block[0], flags=re.MULTILINE))


def test_the_rules_in_comments_are_valid_without_the_comment_signs(etle_init: Init, tmp_path: Path) -> None:
    from pipeline.rules import RULES, build_rules
    from pipeline.scene.calibration import calibrate

    etle_init(write_video(tmp_path / "a.mp4", 20), "--out", tmp_path)
    path = tmp_path / "site.yaml"
    WatchFile.of((), SystemClock().now()).write(tmp_path / "watch-list.json")
    text = uncommented(uncommented(path.read_text(), "rules"), "ground_points")
    path.write_text(text.replace("/etc/etle/watch-list.json", str(tmp_path / "watch-list.json")))
    (camera,) = load_site(path).cameras
    assert [rule.rule for rule in camera.rules] == list(RULES)
    assert len(camera.ground_points) == 4
    assert len(build_rules(camera, calibrate(camera))) == len(RULES)


@pytest.mark.parametrize(("key", "defaults"), [("detect", DetectionSettings()), ("evidence", EvidenceSettings())])
def test_the_defaults_in_comments_are_the_defaults(
    etle_init: Init, tmp_path: Path, key: str, defaults: DetectionSettings | EvidenceSettings
) -> None:
    etle_init(write_video(tmp_path / "a.mp4", 20), "--out", tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(uncommented(path.read_text(), key))
    written = getattr(load_site(path), key)
    assert written.model_fields_set == set(type(defaults).model_fields), "every setting is in the comments"
    examples = dict.fromkeys(("weights", "finder_weights", "reader_weights", "tiebreaker")) if key == "detect" else {}
    assert written.model_copy(update=examples) == defaults


def test_the_site_file_names_its_schema_for_editors(etle_init: Init, tmp_path: Path) -> None:
    etle_init(write_video(tmp_path / "a.mp4", 20), "--out", tmp_path)
    first = (tmp_path / "site.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=site.schema.json"
    assert set(json.loads((tmp_path / "site.schema.json").read_text())["properties"]) == set(Site.model_fields)


def test_existing_files_are_overwritten_only_with_force(etle_init: Init, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", 20)
    (tmp_path / "site.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"site\.yaml exists; use another --out, or --force"):
        etle_init(video, "--out", tmp_path)
    assert (tmp_path / "site.yaml").read_text() == "mine"
    etle_init(video, "--out", tmp_path, "--force")
    assert load_site(tmp_path / "site.yaml").site == "site-1"


def test_a_truncated_video_is_read_up_to_its_end(etle_init: Init, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", 60, options={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    etle_init(video, "--out", tmp_path)
    assert load_site(tmp_path / "site.yaml").cameras[0].frame_size == (320, 240)


@pytest.mark.parametrize(
    ("origin", "error", "message"),
    [
        pytest.param("nowhere.mp4", SourceUnavailable, "nowhere.mp4: no such file or folder", id="no such file"),
        pytest.param("ftp://camera/", SourceUnavailable, "begins with rtsp://, rtsps://, http:// or https://", id="another scheme"),
        pytest.param("http://127.0.0.1:9/", SourceUnavailable, "refused", id="nothing listens there"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(etle_init: Init, tmp_path: Path, origin: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        etle_init(origin, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_pictures_is_named(etle_init: Init, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SourceBroken, match=r"a\.mp4: no picture could be read"):
        etle_init(tmp_path / "a.mp4", "--out", tmp_path)


def test_a_folder_whose_pictures_contain_no_time_needs_fps(etle_init: Init, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(jpeg(number))
    with pytest.raises(ConfigError, match="set `fps` of the source"):
        etle_init(tmp_path / "pictures", "--out", tmp_path)
    etle_init(tmp_path / "pictures", "--out", tmp_path, "--fps", "2")
    source = load_site(tmp_path / "site.yaml").cameras[0].source
    assert source.folder is not None and source.folder.resolve() == tmp_path / "pictures"
    assert source.fps == 2


class TestCamera:
    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            pytest.param("mjpeg", paced(lambda number: jpeg(number % 30), 400, 0.01), id="that pushes JPEGs"),
            pytest.param("snapshot", plain(jpeg(1)), id="that answers with one JPEG"),
        ],
    )
    def test_kind_is_found_from_the_http_response(self, etle_init: Init, tmp_path: Path, kind: str, answer: object) -> None:
        answers = [answer] if kind == "mjpeg" else [plain(jpeg(number)) for number in range(13)]
        with http_camera(*answers) as url:  # type: ignore[arg-type]
            etle_init(url, "--out", tmp_path, "--duration", "0.5")
        source = load_site(tmp_path / "site.yaml").cameras[0].source
        assert getattr(source, kind) == url

    def test_password_is_not_written(self, etle_init: Init, tmp_path: Path) -> None:
        with http_camera(*(plain(jpeg(number)) for number in range(13))) as url:
            output = etle_init(url.replace("http://", "http://admin:s%40cret@"), "--out", tmp_path, "--duration", "0.5")
        assert "export CAMERA_PASSWORD=" in output
        assert not [path for path in tmp_path.iterdir() if b"s%40cret" in path.read_bytes()]
        with pytest.raises(ConfigError, match="CAMERA_PASSWORD"):
            load_site(tmp_path / "site.yaml", {})
        filled = load_site(tmp_path / "site.yaml", {"CAMERA_PASSWORD": "s%40cret"}).cameras[0].source.snapshot
        assert filled == url.replace("http://", "http://admin:s%40cret@")


def near(image: NDArray[np.uint8], x: float, y: float, colour: tuple[int, int, int]) -> bool:
    """Whether the colour (BGR) is within 2 pixels of the position, with a tolerance for JPEG."""
    patch = image[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3].reshape(-1, 3).astype(int)
    return bool((np.abs(patch - colour).max(axis=1) < 60).any())


RED, YELLOW, GREEN = (60, 60, 255), (0, 220, 255), (80, 220, 80)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "scale"),
    [
        pytest.param((450, 360), 3, id="a small picture is enlarged"),
        pytest.param((1280, 720), 1, id="a large one is left as it is"),
        pytest.param((160, 120), 4, id="the smallest is enlarged four times"),
    ],
)
def test_the_grid_shows_the_positions_of_the_site_file(etle_init: Init, tmp_path: Path, size: tuple[int, int], scale: int) -> None:
    etle_init(write_video(tmp_path / "a.mp4", 15, size=size), "--out", tmp_path)
    image = image_of((tmp_path / "frame-grid.jpg").read_bytes())
    assert image.shape[:2] == (size[1] * scale, size[0] * scale)
    (camera,) = load_site(tmp_path / "site.yaml").cameras
    (x1, y1), (x2, y2) = camera.line("henti").points
    assert near(image, (x1 * 0.2 + x2 * 0.8) * scale, (y1 * 0.2 + y2 * 0.8) * scale, YELLOW)
    assert near(image, camera.signals[0].boxes[0].x2 * scale, camera.signals[0].boxes[0].centre.y * scale, RED)
    assert near(image, camera.lanes[0].polygon[1][0] * scale, (camera.lanes[0].polygon[1][1] - 20) * scale, GREEN)


class TestSiteFile:
    def created(self, etle_init: Init, folder: Path) -> Path:
        etle_init(write_video(folder / "a.mp4", 20), "--out", folder)
        return folder / "site.yaml"

    def test_positions_are_drawn_next_to_it(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.created(etle_init, tmp_path)
        camera: CameraSettings = load_site(path).cameras[0]
        old, new = "points: [[48, 149], [272, 149]]", "points: [[48, 200], [272, 200]]"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        output = etle_init(path)
        image = image_of((tmp_path / f"{camera.id}-grid.jpg").read_bytes())
        assert near(image, 230 * 4, 200 * 4, YELLOW)
        assert "2 lines, 1 lanes, 1 signals" in output

    def test_with_another_frame_size_is_refused(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.created(etle_init, tmp_path)
        path.write_text(path.read_text().replace("frame_size: [320, 240]", "frame_size: [640, 480]"))
        with pytest.raises(ConfigError, match="camera 'a': frame_size is 640x480, but its pictures are 320x240"):
            etle_init(path)

    def test_with_a_rule_for_an_unknown_line_is_refused(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.created(etle_init, tmp_path)
        path.write_text(uncommented(path.read_text(), "rules").replace("line: henti", "line: hentii"))
        with pytest.raises(ConfigError, match="hentii"):
            etle_init(path)
