"""Help texts, usage errors and start-up of the command `etle`."""

import pytest
from demo_footage import etle

from etle_cli.main import COMMANDS, main, parser


def test_help_names_every_command():
    text = parser().format_help()
    for command in COMMANDS:
        assert command.__name__.rpartition(".")[2].replace("_", "-") in text


@pytest.mark.parametrize("words", [["run", "--help"], ["demo", "--help"], ["init", "--help"], ["violations", "list", "--help"]])
def test_help_of_a_subcommand_is_printed(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "usage: etle" in capsys.readouterr().out


def test_the_help_of_run_names_the_next_commands():
    text = " ".join(etle("run", "--help").stdout.split())
    for word in ("etle init", "etle violations list", "etle review", "RTSP", "folder"):
        assert word in text


def test_without_a_command_usage_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_starting_the_command_imports_no_heavy_package():
    """An edge device has neither numpy nor a database driver, and `etle --help` has to be fast."""
    import subprocess
    import sys

    heavy = ("numpy", "cv2", "onnxruntime", "psycopg2", "fastapi", "torch", "av")
    code = f"import sys, etle_cli.main; etle_cli.main.parser(); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
