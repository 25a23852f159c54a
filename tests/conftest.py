"""Shared fixtures: every test has folders of its own and reaches no outside network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

BROWSER_HINT = "sudo apt-get install chromium fonts-ipaexfont"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="count a skipped browser, service or weights test as a failure",
    )
    parser.addoption("--screenshots", metavar="FOLDER", help="keep a picture of every page here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    needed = [m for m in ("browser", "service", "weights") if item.get_closest_marker(m)]
    if report.skipped and needed and item.config.getoption("--strict-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but --strict-skips was given: {report.longrepr[-1]}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "browser" in report.keywords
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} browser tests were skipped: no Chromium. To run them: {BROWSER_HINT}"
        )


@pytest.fixture(autouse=True)
def own_folders(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.FEATURES_ROOT = tmp_path / "features"


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """A page asked for in Japanese leaves its language with the thread: the next test starts anew."""
    with translation.override("en"):
        yield
