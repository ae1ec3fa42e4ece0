"""Site files: a wrong one is refused with the file, the place and the remedy; paths, environment variables and the digest."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from etle.config.site import load_site
from etle.config.sources import FileSourceSettings, RtspSourceSettings
from etle.errors import ConfigError
from etle.types import Box, Lamp, Point

CAMERA: dict[str, Any] = {
    "id": "cam-1",
    "view": "rear",
    "source": {"file": "clips/a.mp4", "starts_at": "2026-11-23T10:00:00+07:00"},
    "frame_size": [1920, 1080],
    "signals": [{"id": "barat", "head": [100, 50, 140, 160]}],
    "lines": [{"id": "henti", "points": [[100, 700], [1800, 700]], "beyond": [900, 300]}],
    "lanes": [{"id": "kiri", "polygon": [[0, 1080], [900, 1080], [900, 500]], "along": [[400, 1000], [700, 550]]}],
    "rules": [{"rule": "red_light", "line": "henti", "entry": "henti", "signal": "barat", "grace_s": 0.5}],
}
SITE: dict[str, Any] = {"site": "simpang-lima", "cameras": [CAMERA]}


def with_at(place: str, value: object) -> dict[str, Any]:
    """The site with `value` at a path such as `cameras.0.view`; without that key if the value is Ellipsis."""
    site = yaml.safe_load(yaml.safe_dump(SITE))
    *way, last = (int(step) if step.isdecimal() else step for step in place.split("."))
    node = site
    for step in way:
        node = node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return site  # type: ignore[no-any-return]


def written(folder: Path, site: object, name: str = "site.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    return path


def test_a_correct_file_is_read(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, SITE))
    (camera,) = site.cameras
    assert (site.site, site.timezone, camera.camera_id, camera.frame_size) == ("simpang-lima", "Asia/Jakarta", "cam-1", (1920, 1080))
    assert camera.signal("barat").boxes == (Box(100, 50, 140, 160),)
    assert camera.signal("barat").order == (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)
    assert camera.lane("kiri").corners == (Point(0, 1080), Point(900, 1080), Point(900, 500))
    assert camera.rules[0].settings == {"line": "henti", "entry": "henti", "signal": "barat", "grace_s": 0.5}


@pytest.mark.parametrize("order", [["green"], ["red", "green"], ["red", "yellow", "green", "green"], ["red", "yellow", "green"] * 2])
def test_the_lamps_of_a_signal_may_repeat_colours(tmp_path: Path, order: list[str]) -> None:
    (camera,) = load_site(written(tmp_path, with_at("cameras.0.signals.0.order", order))).cameras
    assert list(camera.signal("barat").order) == order


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        pytest.param("site", ..., "site: this key is missing", id="a key is missing"),
        pytest.param("sites", 1, "sites: unknown key; did you mean 'site'?", id="a misspelt key at the top"),
        pytest.param("cameras.0.sorce", {}, "cameras[0].sorce: unknown key; did you mean 'source'?", id="a misspelt key of a camera"),
        pytest.param(
            "cameras.0.lines.0.pionts", 1, "cameras[0].lines[0].pionts: unknown key; did you mean 'points'?", id="a misspelt key of a line"
        ),
        pytest.param("cameras.0.source.fsp", 5, "cameras[0].source.fsp: unknown key; did you mean 'fps'?", id="a misspelt key of a source"),
        pytest.param(
            "detect", {"plate_raeds": 3}, "detect.plate_raeds: unknown key; did you mean 'plate_reads'?", id="a misspelt key of detect"
        ),
        pytest.param(
            "evidence",
            {"colour": 3},
            "evidence.colour: unknown key; known keys: before_s, after_s, clip_width, keep_s",
            id="a key that resembles none",
        ),
        pytest.param("site", "Simpang Lima", "site: String should match pattern", id="a name with capitals and a space"),
        pytest.param(
            "timezone", "Asia/Bandung", "timezone: no such time zone: 'Asia/Bandung'; Indonesia has Asia/Jakarta", id="a time zone"
        ),
        pytest.param("cameras", [], "cameras: Tuple should have at least 1 item", id="no camera"),
        pytest.param("cameras", [CAMERA, CAMERA], "cameras: the id 'cam-1' is given twice", id="two cameras of one name"),
        pytest.param("cameras.0.view", "side", "cameras[0].view: Input should be 'rear' or 'front'; here: 'side'", id="an unknown view"),
        pytest.param("cameras.0.frame_size", [0, 1080], "frame_size is width and height in pixels; here: 0, 1080", id="a frame of no size"),
        pytest.param("cameras.0.frame_size", "1920x1080", "cameras[0].frame_size: Input should be a valid tuple", id="a size as text"),
        pytest.param(
            "cameras.0.source", {}, "a source is exactly one of file, folder, rtsp, mjpeg, snapshot, vendor; here: none", id="no source"
        ),
        pytest.param("cameras.0.source", {"file": "a.mp4", "rtsp": "rtsp://c/"}, "here: file, rtsp", id="two sources"),
        pytest.param(
            "cameras.0.source", {"fiel": "a.mp4"}, "cameras[0].source.fiel: unknown key; did you mean 'file'?", id="a misspelt kind"
        ),
        pytest.param("cameras.0.source", "a.mp4", "cameras[0].source: a source is keys and values, such as `file: ", id="a source as text"),
        pytest.param(
            "cameras.0.source", {"rtsp": "camera/1"}, "`rtsp` is an address that begins with rtsp://, rtsps://, http://", id="no scheme"
        ),
        pytest.param(
            "cameras.0.source", {"mjpeg": "rtsp://c/"}, "`mjpeg` is an address that begins with http://, https://", id="other scheme"
        ),
        pytest.param(
            "cameras.0.source",
            {"rtsp": "rtsp://c/", "starts_at": "2026-11-23T10:00:00+07:00"},
            "`starts_at` is for file, folder and does nothing for rtsp",
            id="an option that does nothing",
        ),
        pytest.param("cameras.0.source.starts_at", "2026-11-23T10:00:00", "a time needs its UTC offset", id="a time without its offset"),
        pytest.param("cameras.0.source.fps", 0, "cameras[0].source.fps: Input should be greater than 0; here: 0", id="a rate of zero"),
        pytest.param("cameras.0.ground_points", [{"px": [1, 2], "m": [0, 0]}] * 3, "takes at least 4 points", id="too few ground points"),
        pytest.param("cameras.0.lines.0.points", [[5, 5], [5, 5]], "line 'henti' has no length", id="a line without length"),
        pytest.param("cameras.0.lines.0.beyond", [500, 700], "`beyond` of line 'henti' lies on the line", id="beyond on the line"),
        pytest.param("cameras.0.lines", CAMERA["lines"] * 2, "lines: the id 'henti' is given twice", id="two lines of one name"),
        pytest.param(
            "cameras.0.lanes.0.along", [[5, 5], [5, 5]], "`along` of lane 'kiri' has no direction", id="an arrow without direction"
        ),
        pytest.param("cameras.0.lanes.0.polygon", [[0, 0], [1, 1]], "should have at least 3 items", id="a lane of two corners"),
        pytest.param("cameras.0.signals.0.head", [140, 50, 100, 160], "the head of signal 'barat' has no size", id="a head inside out"),
        pytest.param(
            "cameras.0.signals.0.head", [1900, 50, 1960, 160], "is partly outside of the frame of 1920x1080", id="a head off the frame"
        ),
        pytest.param("cameras.0.signals.0.head", None, "signal 'barat' has no `head`", id="no head"),
        pytest.param(
            "cameras.0.signals.0.heads",
            [[1900, 50, 1960, 160]],
            "is partly outside of the frame of 1920x1080",
            id="a second head off the frame",
        ),
        pytest.param("cameras.0.signals.0.order", ["red", "red"], "names one colour only", id="lamps of one colour"),
        pytest.param("cameras.0.signals.0.order", ["red", "unknown"], "has to name its lamps, at most 6", id="an unknown lamp"),
        pytest.param("cameras.0.signals.0.order", ["red", "green"] * 4, "has to name its lamps, at most 6", id="too many lamps"),
        pytest.param(
            "cameras.0.signals.0.order", ["red", "blue"], "signals[0].order[1]: Input should be 'red', 'yellow', 'green'", id="a blue lamp"
        ),
        pytest.param("cameras.0.rules", [{"line": "henti"}], "cameras[0].rules[0].rule: this key is missing", id="a rule without its name"),
        pytest.param("detect", {"score": 1.5}, "detect.score: Input should be less than 1; here: 1.5", id="a score above one"),
        pytest.param(
            "evidence",
            {"before_s": 99},
            "evidence.before_s: Input should be less than or equal to 30; here: 99",
            id="too many seconds before",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_place(tmp_path: Path, place: str, value: object, message: str) -> None:
    path = written(tmp_path, with_at(place, value))
    with pytest.raises(ConfigError) as error:
        load_site(path)
    assert message in str(error.value)
    assert all(line.startswith(f"{path}: ") for line in str(error.value).splitlines())


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    site = with_at("timezone", "nowhere")
    site["cameras"][0]["view"] = "up"
    site["detect"] = {"gait": True}
    with pytest.raises(ConfigError) as error:
        load_site(written(tmp_path, site))
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == ["timezone", "cameras[0].view", "detect.gait"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("site: a\nname: b\nsite: c\n", "line 3, column 1: the key 'site' was already given in line 1", id="a key twice"),
        pytest.param(
            "cameras:\n  - id: a\n    view: rear\n    id: b\n",
            "line 4, column 5: the key 'id' was already given in line 2",
            id="twice, deep down",
        ),
        pytest.param("site: [a\n", "line 2, column 1: did not find expected ',' or ']'", id="a bracket that is not closed"),
        pytest.param("site: a\n\tname: b\n", "line 2", id="a tab"),
        pytest.param("", "expected keys and values, found nothing", id="empty"),
        pytest.param("- a\n- b\n", "expected keys and values, found list", id="a list"),
        pytest.param("\xff\xfe", "cannot be read", id="not UTF-8"),
    ],
)
def test_a_file_that_is_not_a_site_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"site\.yaml: ") as error:
        load_site(path)
    assert message in str(error.value)


def test_a_missing_file_is_reported_with_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such site file. `etle init VIDEO` writes one"):
        load_site(tmp_path / "nowhere.yaml")


def test_an_unknown_name_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    (camera,) = load_site(written(tmp_path, SITE)).cameras
    with pytest.raises(ConfigError, match="camera 'cam-1' has no line 'heti'; it has: henti"):
        camera.line("heti")
    with pytest.raises(ConfigError, match="has no signal 'timur'; it has: barat"):
        camera.signal("timur")


class TestEnvironment:
    def site_with(self, folder: Path, url: str) -> Path:
        return written(folder, with_at("cameras.0.source", {"rtsp": url}))

    def test_replaces_names_in_braces(self, tmp_path: Path) -> None:
        path = self.site_with(tmp_path, "rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@10.0.0.7/1")
        site = load_site(path, {"CAMERA_USER": "admin", "CAMERA_PASSWORD": 'a"b: #%7d'})
        assert site.cameras[0].source.rtsp == 'rtsp://admin:a"b: #%7d@10.0.0.7/1'

    @pytest.mark.parametrize("variable", ["CAMERA_PASSWORD", "camera_password", "not a name"])
    def test_what_is_not_set_is_named_with_its_place(self, tmp_path: Path, variable: str) -> None:
        path = self.site_with(tmp_path, f"rtsp://admin:${{{variable}}}@10.0.0.7/1")
        with pytest.raises(ConfigError, match=rf"site\.yaml: cameras\[0\]\.source\.rtsp: .*{variable}.* is not set"):
            load_site(path, {"OTHER": "x"})

    def test_a_comment_needs_no_variable(self, tmp_path: Path) -> None:
        path = written(tmp_path, SITE)
        path.write_text("# ${NOWHERE}\n" + path.read_text())
        assert load_site(path, {}).site == "simpang-lima"

    def test_a_secret_is_in_no_message(self, tmp_path: Path) -> None:
        path = written(tmp_path, with_at("cameras.0.source", {"mjpeg": "rtsp://admin:${P}@10.0.0.7/1"}))
        with pytest.raises(ConfigError) as error:
            load_site(path, {"P": "hunter2"})
        assert "hunter2" not in str(error.value)


class TestPaths:
    def test_are_relative_to_the_site_file(self, tmp_path: Path) -> None:
        site = with_at("detect", {"weights": "weights.pt"})
        read = load_site(written(tmp_path / "sites" / "one", site))
        assert read.cameras[0].source.file == tmp_path / "sites" / "one" / "clips" / "a.mp4"
        assert read.detect.weights == tmp_path / "sites" / "one" / "weights.pt"

    def test_stay_if_they_are_absolute(self, tmp_path: Path) -> None:
        site = with_at("cameras.0.source", {"folder": "/srv/pictures", "fps": 5})
        assert load_site(written(tmp_path, site)).cameras[0].source.folder == Path("/srv/pictures")

    def test_live_sources(self) -> None:
        assert RtspSourceSettings(rtsp="rtsp://camera/").live and FileSourceSettings(file=Path("a.mp4")).live is False


class TestDigest:
    def test_does_not_depend_on_the_paths_of_footage_and_weights(self, tmp_path: Path) -> None:
        first = load_site(written(tmp_path / "a", with_at("detect", {"weights": "w.pt"})))
        second = load_site(written(tmp_path / "b", with_at("detect", {"weights": "w.pt"}), "other.yaml"))
        assert first.cameras[0].source != second.cameras[0].source
        assert first.digest == second.digest
        camera = load_site(
            written(tmp_path / "c", with_at("cameras.0.source", {"rtsp": "rtsp://10.0.0.7/1"}) | {"detect": {"weights": "w.pt"}})
        )
        assert camera.digest == first.digest

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            pytest.param("timezone", "Asia/Makassar", id="the time zone"),
            pytest.param("cameras.0.lines.0.points", [[100, 701], [1800, 700]], id="a line moved by a pixel"),
            pytest.param("cameras.0.rules.0.grace_s", 0.4, id="a rule's setting"),
            pytest.param("cameras.0.rules", [], id="a rule removed"),
            pytest.param("detect", {"score": 0.3}, id="the detector's score"),
            pytest.param("evidence", {"before_s": 4}, id="the length of the clip"),
        ],
    )
    def test_changes_with_everything_that_can_change_a_finding(self, tmp_path: Path, place: str, value: object) -> None:
        before = load_site(written(tmp_path / "before", SITE)).digest
        assert load_site(written(tmp_path / "after", with_at(place, value))).digest != before

    def test_is_the_same_whether_a_default_is_written_or_not(self, tmp_path: Path) -> None:
        before = load_site(written(tmp_path / "before", SITE)).digest
        assert load_site(written(tmp_path / "after", with_at("detect", {"gate": True, "threads": 1}))).digest == before

    def test_changes_with_the_searched_region(self, tmp_path: Path) -> None:
        before = load_site(written(tmp_path / "before", SITE)).digest
        assert load_site(written(tmp_path / "after", with_at("detect", {"gate": True, "threads": 1, "region": "full"}))).digest != before

    def test_is_that_of_earlier_versions(self, tmp_path: Path) -> None:
        """It is stored with each violation, so renaming a key must not change it."""
        digest = "6c55e03ab252ad0e0118c16ec0efbf5ddfc92a5464c77acf8cdac895c40e4fc0"
        assert load_site(written(tmp_path, SITE)).digest == digest
