"""In CI nothing may skip: there a missing part is a broken build, not a reason to look away."""

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # pluggy's generator
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        where, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may skip: {reason} ({where}:{line})"
