"""Renamed options and subcommands work under their old names for one release, with a notice on standard error."""

import pytest

from etle_cli.deprecation import RENAMED, with_new_names
from etle_cli.main import main, parser

TABLE = {
    "detect --silence": "--idle-timeout",
    "models train rounded-reader": "models quantize reader",
    "models quantize reader --from": "--local",
}


@pytest.mark.parametrize(
    ("given", "expected", "renamed"),
    [
        pytest.param("detect s.yaml --silence 3", "detect s.yaml --idle-timeout 3", ["--silence"], id="an option and its value"),
        pytest.param("detect --silence=3 s.yaml", "detect --idle-timeout=3 s.yaml", ["--silence"], id="a value after an equals sign"),
        pytest.param("-v detect --silence 3", "-v detect --idle-timeout 3", ["--silence"], id="options before the command"),
        pytest.param("write --silence 3", "write --silence 3", [], id="the same option of another command"),
        pytest.param("detect --silence-all 3", "detect --silence-all 3", [], id="an option that begins in the same way"),
        pytest.param("detect -- --silence", "detect -- --silence", [], id="an argument behind --"),
        pytest.param("detect --idle-timeout 3", "detect --idle-timeout 3", [], id="the present name"),
        pytest.param("models train rounded-reader x", "models quantize reader x", ["models train rounded-reader"], id="a subcommand"),
        pytest.param(
            "models train rounded-reader --from x",
            "models quantize reader --local x",
            ["models train rounded-reader", "--from"],
            id="a subcommand and an option of it",
        ),
        pytest.param("", "", [], id="no arguments"),
    ],
)
def test_old_names_are_replaced_and_named(given: str, expected: str, renamed: list[str]) -> None:
    arguments, notices = with_new_names(given.split(), TABLE)
    assert arguments == expected.split()
    assert [notice.partition(" is now ")[0] for notice in notices] == [f"deprecated: {name}" for name in renamed]


def test_the_notice_names_the_new_option_and_when_the_old_one_ends() -> None:
    _, notices = with_new_names(["detect", "--silence", "3"], TABLE)
    assert notices == ["deprecated: --silence is now --idle-timeout; the old name goes with the next release"]


def test_a_notice_goes_to_standard_error_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "missing.yaml", "--silence", "3"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("deprecated: --silence is now --idle-timeout") == 1


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_every_new_name_exists_and_no_old_name_does(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    *command, last = old.split()
    words = command if last.startswith("-") else new.split()
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*words, "--help"])
    assert ended.value.code == 0
    help_text = capsys.readouterr().out.split()
    if last.startswith("-"):
        assert any(word.strip("[],") == new for word in help_text)
        assert not any(word.strip("[],") == last for word in help_text)
