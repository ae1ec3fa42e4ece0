"""What all tests share: the bundled footage's outcome, real servers, and that in CI nothing may skip."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest
from demo_footage import FOOTAGE, DemoRun, run_demo

from services import S3Server, ServiceMissing, ServiceProcess, running_kafka, running_postgres, running_s3
from services.s3 import Kind

ServerT = TypeVar("ServerT", bound=ServiceProcess)


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
    from etle.config.site import DetectionSettings
    from etle.errors import WeightsMissing
    from models.weights.locate import weight
    from pipeline.assembly import needed_weights

    try:
        for name in needed_weights(DetectionSettings()):
            weight(name)
    except WeightsMissing as error:
        pytest.skip(str(error))
    return run_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def live_kafka() -> Iterator[ServiceProcess]:
    """A real broker for all tests of the session: each takes topics of its own, and starts it again if it stops it."""
    yield from _live(running_kafka)


@pytest.fixture(scope="session")
def live_postgres() -> Iterator[ServiceProcess]:
    yield from _live(running_postgres)


@pytest.fixture(scope="session")
def live_s3() -> Iterator[S3Server]:
    """ETLE_TEST_S3=minio takes the other one, which takes two minutes to build."""
    kind: Kind = "minio" if os.environ.get("ETLE_TEST_S3") == "minio" else "versitygw"
    yield from _live(lambda: running_s3(kind=kind))


def _live(run: Callable[[], AbstractContextManager[ServerT]]) -> Iterator[ServerT]:
    try:
        service = run()
        server = service.__enter__()
    except ServiceMissing as error:
        pytest.skip(str(error))
    try:
        yield server
    finally:
        service.__exit__(None, None, None)
