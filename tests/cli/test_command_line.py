"""The command itself: help is enough to get there, and a wrong word is told."""

import pytest
from demo_footage import etle

from etle_cli.main import COMMANDS, main, parser


def test_help_names_every_command():
    text = parser().format_help()
    for command in COMMANDS:
        assert command.__name__.rpartition(".")[2].replace("_", "-") in text


@pytest.mark.parametrize("words", [["run", "--help"], ["demo", "--help"], ["init", "--help"], ["violations", "list", "--help"]])
def test_every_help_can_be_shown(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "usage: etle" in capsys.readouterr().out


def test_the_help_of_run_leads_a_newcomer_to_a_first_run():
    told = " ".join(etle("run", "--help").stdout.split())
    for word in ("etle init", "etle violations list", "etle review", "RTSP", "folder", "nothing twice"):
        assert word in told


def test_without_a_command_it_says_how_it_is_used(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_starting_the_command_imports_nothing_heavy():
    """A camera box has neither numpy nor a database driver, and `etle --help` must answer at once."""
    import subprocess
    import sys

    heavy = ("numpy", "cv2", "onnxruntime", "psycopg2", "fastapi", "torch", "av")
    code = f"import sys, etle_cli.main; etle_cli.main.parser(); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
