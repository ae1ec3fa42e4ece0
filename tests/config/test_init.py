"""`etle init`: a first site file from one look, and what a site file draws."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from footage.cameras import http_camera, paced, plain
from footage.films import film, image_of, jpeg
from numpy.typing import NDArray

from etle.config.site import CameraSettings, DetectionSettings, EvidenceSettings, Site, load_site
from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.types import View
from etle_cli.commands import init
from pipeline.site_setup.template import guess

Init = Callable[..., str]


@pytest.fixture
def etle_init(capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs `etle init` and returns what it says."""
    parser = argparse.ArgumentParser()
    init.add(parser.add_subparsers())

    def run(*arguments: str | Path) -> str:
        args = parser.parse_args(["init", *map(str, arguments)])
        assert args.run(args) == 0
        return capsys.readouterr().out

    return run


def road(path: Path, *, speed_px: float, size: tuple[int, int] = (640, 360), count: int = 40) -> Path:
    """Vehicles on a textured road that go down the picture by so many pixels a tenth of a second; up, if that is negative."""
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


def test_what_is_written_loads_and_says_what_was_seen(etle_init: Init, tmp_path: Path) -> None:
    video = film(tmp_path / "Simpang Lima 2.mp4", 30, created_at="2026-05-04T03:02:01Z")
    said = etle_init(video, "--out", tmp_path / "site")
    (camera,) = load_site(tmp_path / "site" / "site.yaml").cameras
    assert camera.id == "simpang-lima-2"
    assert camera.frame_size == (320, 240)
    assert camera.source.file is not None and camera.source.file.resolve() == video.resolve()
    assert camera.source.starts_at is not None and camera.source.starts_at.isoformat() == "2026-05-04T10:02:01+07:00"
    assert camera.rules == ()
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["frame-grid.jpg", "frame.jpg", "site.schema.json", "site.yaml"]
    for word in ("site.yaml", "frame-grid.jpg", "`head`", "`beyond`", "`along`", "`starts_at` is 2026-05-04 03:02 UTC", "etle run"):
        assert word in said


def test_the_picture_is_one_from_after_the_first_second(etle_init: Init, tmp_path: Path) -> None:
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.video_file import VideoFileSource

    video = film(tmp_path / "a.mp4", 40)
    etle_init(video, "--out", tmp_path)
    from etle.clock import SystemClock
    from etle.types import CameraId

    frames = list(VideoFileSource(CameraId("a"), video, SystemClock(), FrameLossCounter()).frames())
    assert (tmp_path / "frame.jpg").read_bytes() in [frame.jpeg for frame in frames[10:13]]


@pytest.mark.parametrize(
    ("speed_px", "options", "view", "note"),
    [
        pytest.param(-6, [], View.REAR, "vehicles go away from the camera", id="up the picture: their rear"),
        pytest.param(6, [], View.FRONT, "vehicles come towards the camera", id="down the picture: their front"),
        pytest.param(0, [], View.REAR, "CHECK: the pictures do not tell", id="nothing moves: not told, and said so"),
        pytest.param(-6, ["--view", "front"], View.FRONT, "", id="whoever knows it says it"),
    ],
)
def test_view(etle_init: Init, tmp_path: Path, speed_px: float, options: list[str], view: View, note: str) -> None:
    etle_init(road(tmp_path / "a.mp4", speed_px=speed_px), "--out", tmp_path, *options)
    assert load_site(tmp_path / "site.yaml").cameras[0].view is view
    assert note in (tmp_path / "site.yaml").read_text()


@pytest.mark.parametrize("view", list(View))
def test_the_guesses_agree_with_the_way_that_vehicles_go(view: View) -> None:
    drawn = guess(1920, 1080, view)
    up = drawn.along[1][1] < drawn.along[0][1]
    assert up is (view is View.REAR)
    assert (drawn.beyond[1] < drawn.stop_line[0][1]) is up
    assert (drawn.junction[0][1] < drawn.stop_line[0][1]) is up


def uncommented(text: str, key: str) -> str:
    """The text with the comment signs taken off the block that begins with this key, as its reader is told to do."""
    block = re.search(rf"^( *)# {key}:.*\n(?:\1#  +.*\n)+", text, re.MULTILINE)
    assert block, key
    indent = block[1]
    return text.replace(block[0], re.sub(rf"^{indent}# ", indent, block[0], flags=re.MULTILINE))


def test_the_rules_in_comments_are_right_once_they_are_taken_out(etle_init: Init, tmp_path: Path) -> None:
    from pipeline.rules import RULES, build_rules
    from pipeline.scene.calibration import calibrate

    etle_init(film(tmp_path / "a.mp4", 20), "--out", tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(uncommented(uncommented(path.read_text(), "rules"), "ground_points"))
    (camera,) = load_site(path).cameras
    assert [rule.rule for rule in camera.rules] == list(RULES)
    assert len(camera.ground_points) == 4
    assert len(build_rules(camera, calibrate(camera))) == len(RULES)


@pytest.mark.parametrize(("key", "defaults"), [("detect", DetectionSettings()), ("evidence", EvidenceSettings())])
def test_the_defaults_in_comments_are_the_defaults(
    etle_init: Init, tmp_path: Path, key: str, defaults: DetectionSettings | EvidenceSettings
) -> None:
    etle_init(film(tmp_path / "a.mp4", 20), "--out", tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(uncommented(path.read_text(), key))
    written = getattr(load_site(path), key)
    assert written.model_fields_set == set(type(defaults).model_fields), "every setting stands in the comments"
    examples = dict.fromkeys(("weights", "finder_weights", "reader_weights", "arbiter")) if key == "detect" else {}
    assert written.model_copy(update=examples) == defaults


def test_an_editor_finds_the_schema(etle_init: Init, tmp_path: Path) -> None:
    etle_init(film(tmp_path / "a.mp4", 20), "--out", tmp_path)
    first = (tmp_path / "site.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=site.schema.json"
    assert set(json.loads((tmp_path / "site.schema.json").read_text())["properties"]) == set(Site.model_fields)


def test_nothing_is_overwritten_unless_told(etle_init: Init, tmp_path: Path) -> None:
    video = film(tmp_path / "a.mp4", 20)
    (tmp_path / "site.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"site\.yaml is there already; give another --out, or --force"):
        etle_init(video, "--out", tmp_path)
    assert (tmp_path / "site.yaml").read_text() == "mine"
    etle_init(video, "--out", tmp_path, "--force")
    assert load_site(tmp_path / "site.yaml").site == "site-1"


def test_a_video_that_breaks_off_shows_its_beginning(etle_init: Init, tmp_path: Path) -> None:
    video = film(tmp_path / "a.mp4", 60, options={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    etle_init(video, "--out", tmp_path)
    assert load_site(tmp_path / "site.yaml").cameras[0].frame_size == (320, 240)


@pytest.mark.parametrize(
    ("origin", "error", "said"),
    [
        pytest.param("nowhere.mp4", SourceUnavailable, "nowhere.mp4: no such file or folder", id="no such file"),
        pytest.param("ftp://camera/", SourceUnavailable, "begins with rtsp://, rtsps://, http:// or https://", id="another scheme"),
        pytest.param("http://127.0.0.1:9/", SourceUnavailable, "refused", id="nobody there"),
    ],
)
def test_what_cannot_be_looked_at_is_named(etle_init: Init, tmp_path: Path, origin: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        etle_init(origin, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_picture_is_named(etle_init: Init, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SourceBroken, match=r"a\.mp4: not one picture could be read"):
        etle_init(tmp_path / "a.mp4", "--out", tmp_path)


def test_a_folder_that_tells_no_time_needs_its_rate(etle_init: Init, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(jpeg(number))
    with pytest.raises(ConfigError, match="give the source `fps`"):
        etle_init(tmp_path / "pictures", "--out", tmp_path)
    etle_init(tmp_path / "pictures", "--out", tmp_path, "--fps", "2")
    source = load_site(tmp_path / "site.yaml").cameras[0].source
    assert source.folder is not None and source.folder.resolve() == tmp_path / "pictures"
    assert source.fps == 2


class TestACamera:
    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            pytest.param("mjpeg", paced(lambda number: jpeg(number % 30), 400, 0.01), id="that pushes JPEGs"),
            pytest.param("snapshot", plain(jpeg(1)), id="that answers with one JPEG"),
        ],
    )
    def test_is_known_by_its_answer(self, etle_init: Init, tmp_path: Path, kind: str, answer: object) -> None:
        answers = [answer] if kind == "mjpeg" else [plain(jpeg(number)) for number in range(13)]
        with http_camera(*answers) as url:  # type: ignore[arg-type]
            etle_init(url, "--out", tmp_path, "--watch", "0.5")
        source = load_site(tmp_path / "site.yaml").cameras[0].source
        assert getattr(source, kind) == url

    def test_s_password_is_not_written(self, etle_init: Init, tmp_path: Path) -> None:
        with http_camera(*(plain(jpeg(number)) for number in range(13))) as url:
            said = etle_init(url.replace("http://", "http://admin:s%40cret@"), "--out", tmp_path, "--watch", "0.5")
        assert "export CAMERA_PASSWORD=" in said
        assert not [path for path in tmp_path.iterdir() if b"s%40cret" in path.read_bytes()]
        with pytest.raises(ConfigError, match="CAMERA_PASSWORD"):
            load_site(tmp_path / "site.yaml", {})
        filled = load_site(tmp_path / "site.yaml", {"CAMERA_PASSWORD": "s%40cret"}).cameras[0].source.snapshot
        assert filled == url.replace("http://", "http://admin:s%40cret@")


def near(image: NDArray[np.uint8], x: float, y: float, colour: tuple[int, int, int]) -> bool:
    """Whether the colour (blue, green, red) is at the place, give or take what JPEG makes of it."""
    patch = image[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3].reshape(-1, 3).astype(int)
    return bool((np.abs(patch - colour).max(axis=1) < 60).any())


RED, YELLOW, GREEN = (60, 60, 255), (0, 220, 255), (80, 220, 80)


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        pytest.param((450, 360), 3, id="a small picture is enlarged"),
        pytest.param((1280, 720), 1, id="a large one is left as it is"),
        pytest.param((160, 120), 4, id="the smallest, four times"),
    ],
)
def test_the_grid_shows_the_guesses_where_the_site_file_has_them(
    etle_init: Init, tmp_path: Path, size: tuple[int, int], scale: int
) -> None:
    etle_init(film(tmp_path / "a.mp4", 15, size=size), "--out", tmp_path)
    image = image_of((tmp_path / "frame-grid.jpg").read_bytes())
    assert image.shape[:2] == (size[1] * scale, size[0] * scale)
    (camera,) = load_site(tmp_path / "site.yaml").cameras
    (x1, y1), (x2, y2) = camera.line("henti").points
    assert near(image, (x1 * 0.2 + x2 * 0.8) * scale, (y1 * 0.2 + y2 * 0.8) * scale, YELLOW)
    assert near(image, camera.signals[0].box.x2 * scale, camera.signals[0].box.centre.y * scale, RED)
    assert near(image, camera.lanes[0].polygon[1][0] * scale, (camera.lanes[0].polygon[1][1] - 20) * scale, GREEN)


class TestASiteFile:
    def begun(self, etle_init: Init, folder: Path) -> Path:
        etle_init(film(folder / "a.mp4", 20), "--out", folder)
        return folder / "site.yaml"

    def test_is_drawn_beside_it(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.begun(etle_init, tmp_path)
        camera: CameraSettings = load_site(path).cameras[0]
        old, new = "points: [[48, 149], [272, 149]]", "points: [[48, 200], [272, 200]]"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        said = etle_init(path)
        image = image_of((tmp_path / f"{camera.id}-grid.jpg").read_bytes())
        assert near(image, 230 * 4, 200 * 4, YELLOW)
        assert "2 lines, 1 lanes, 1 signals" in said

    def test_of_another_frame_size_is_refused(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.begun(etle_init, tmp_path)
        path.write_text(path.read_text().replace("frame_size: [320, 240]", "frame_size: [640, 480]"))
        with pytest.raises(ConfigError, match="camera 'a': frame_size is 640x480, but its pictures are 320x240"):
            etle_init(path)

    def test_with_a_rule_over_a_line_that_is_not_there_is_refused(self, etle_init: Init, tmp_path: Path) -> None:
        path = self.begun(etle_init, tmp_path)
        path.write_text(uncommented(path.read_text(), "rules").replace("line: henti", "line: hentii"))
        with pytest.raises(ConfigError, match="hentii"):
            etle_init(path)
