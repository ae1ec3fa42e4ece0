"""What all tests share: the bundled footage's outcome, and that in CI nothing may skip."""

import os
from collections.abc import Generator

import pytest
from demo_footage import FOOTAGE, DemoRun, run_demo


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a missing part is a broken build, not a reason to look away."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may skip: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One undisturbed run over the bundled footage."""
    pytest.importorskip("onnxruntime", reason="needs the `detect` extra")
    if not (FOOTAGE / "masuk.mp4").exists():
        pytest.skip(f"{FOOTAGE} holds no clips")
    from etle.commands.wiring import needed_weights
    from etle.config import Detection
    from etle.errors import WeightsMissing
    from models.weights import weight

    try:
        for name in needed_weights(Detection()):
            weight(name)
    except WeightsMissing as error:
        pytest.skip(str(error))
    return run_demo(tmp_path_factory.mktemp("demo"))
