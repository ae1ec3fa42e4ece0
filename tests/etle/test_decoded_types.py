"""Several threads that decode a type first at the same moment."""

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from etle.testing.values import a_violation_message
from etle.wire import violation_to_json

ROOT = Path(__file__).parents[2]
PRODUCT = ("etle", "etle_cli", "ingest", "models", "pipeline", "review", "simulator")
DECODERS = {"msgspec.json.decode", "msgspec.msgpack.decode", "msgspec.convert"}
RACES = 6
"""Processes that race; without the preparation two of five crashed."""
FIRST_DECODE = dedent("""
    import sys
    import threading

    from etle.wire import violation_from_json

    sys.setswitchinterval(1e-6)
    text, together, decoded = sys.stdin.read(), threading.Barrier(16), []

    def decode():
        together.wait()
        decoded.append(violation_from_json(text))

    threads = [threading.Thread(target=decode) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(decoded))
""")


def test_threads_that_decode_their_first_violation_at_once() -> None:
    text = violation_to_json(a_violation_message().violation)
    for _ in range(RACES):
        done = subprocess.run([sys.executable, "-c", FIRST_DECODE], input=text, capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, "16"), done.stderr


def _modules_that_decode() -> list[Path]:
    files = (file for package in PRODUCT for file in (ROOT / package).rglob("*.py"))
    return sorted(file for file in files if DECODERS & _calls(file))


def _calls(file: Path) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("file", [pytest.param(file, id=file.relative_to(ROOT).as_posix()) for file in _modules_that_decode()])
def test_a_module_that_decodes_a_type_prepares_it(file: Path) -> None:
    source = file.read_text()
    decodes_plain_types_only = "type=tuple[tuple[str, bytes], ...]" in source
    assert "prepare" in _calls(file) or decodes_plain_types_only
