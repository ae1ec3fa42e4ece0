"""Whatever is in a site file: an error that names the file and the place, at once."""

import time
from pathlib import Path

import pytest
from demo_footage import FOOTAGE
from mutated_sites import mutated_sites

from etle.config.site import load_site
from etle.config.strict_yaml import read_yaml
from etle.errors import ConfigError
from etle_cli.check.site import check_rules

LIMIT_S = 10.0
"""CPU time: a mistake that is not refused at once takes hours, or never ends."""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(BOMB, "line 6, column 4: its aliases expand to more than", id="a bomb of aliases"),
        pytest.param("a: [" + "1, " * 300_000 + "]", "line 1, column 299993: more than 100000 values", id="a list without end"),
        pytest.param("a: " + "x" * 2_000_000, "has 2000003 characters", id="a text without end"),
        pytest.param("[" * 100_000, "line 1", id="a hundred thousand brackets"),
        pytest.param("\n".join(f"{' ' * level}a:" for level in range(100)), "line 41, column 41: nested more than 40", id="deep keys"),
        pytest.param("b: 1\na: &a [1, *a]", "line 2, column 4: this anchor contains an alias to itself", id="a list in itself"),
        pytest.param("a: &a\n  <<: *a", "line 1, column 4: this anchor contains an alias to itself", id="merged with itself"),
        pytest.param("a: 2026-99-99", "line 1, column 4: '2026-99-99' is not a valid timestamp", id="no such day"),
        pytest.param("a: " + "1" * 5000, "line 1, column 4: a number of 5000 characters", id="a number without end"),
        pytest.param("a: 0x" + "f" * 6000, "line 1, column 4: a number of 6002 characters", id="a hexadecimal number without end"),
        pytest.param("a: !!int abc", "line 1, column 4: 'abc' is not a valid int", id="a tag that does not fit"),
        pytest.param("a: !!map abc", "line 1, column 4: expected keys and values", id="a tag of another kind"),
        pytest.param("a: !!python/object:os.system x", "line 1, column 4: could not determine a constructor", id="a tag of Python"),
        pytest.param("? [a, b]\n: 1", "line 1, column 3: a key is a text", id="a list as a key"),
        pytest.param("a: 1\nb: \x01", "line 2, column 4: the character U+0001 is not allowed", id="a control character"),
        pytest.param('a: "\\0"', "line 1, column 4: a text with the character U+0000", id="an escaped control character"),
        pytest.param('a: "\\ud800"', "line 1, column", id="half a surrogate pair"),
        pytest.param("a: x\u202egnp.exe", "line 1, column 4: a text with the character U+202E", id="a change of direction"),
    ],
)
def test_odd_yaml_is_an_error_with_its_line_at_once(tmp_path: Path, text: str, message: str) -> None:
    path, begun_s = tmp_path / "site.yaml", time.process_time()
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_yaml(path)
    assert str(refused.value).startswith(f"{path}: ") and message in str(refused.value)
    assert time.process_time() - begun_s < LIMIT_S


def test_an_anchor_may_be_used_several_times(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}")
    assert read_yaml(path) == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}], "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize("count", [pytest.param(60, id="60"), pytest.param(2000, id="2000", marks=pytest.mark.slow)])
def test_a_mutated_site_file_is_an_error_that_names_it_at_once(tmp_path: Path, count: int) -> None:
    path, refused = tmp_path / "site.yaml", 0
    for content in mutated_sites((FOOTAGE / "site.yaml").read_text(), count, seed=1):
        path.write_bytes(content)
        begun_s = time.process_time()
        try:
            list(check_rules(load_site(path, {})))
        except ConfigError as error:
            refused += 1
            assert all(line.startswith(f"{path}: ") for line in str(error).splitlines() if line.strip()), content
        assert time.process_time() - begun_s < LIMIT_S, content
    assert refused > count / 2
