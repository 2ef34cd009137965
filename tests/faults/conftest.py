"""Faults are counted, so that a run says how many it survived."""

from collections import Counter

import pytest

_KEY = "faults"


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/faults/" in item.path.as_posix():
            item.add_marker("fault")


@pytest.fixture
def faults(record_property):
    """Tell what this test has done to the system: ``faults("SIGKILL of a builder", 6)``."""

    def count(kind: str, number: int = 1) -> None:
        record_property(_KEY, [kind, number])

    return count


def pytest_terminal_summary(terminalreporter):
    totals = Counter()
    for report in terminalreporter.getreports("passed"):
        # The reports of set-up and tear-down hold the same properties again.
        if report.when == "call":
            for key, value in report.user_properties:
                if key == _KEY:
                    totals[value[0]] += value[1]
    if totals:
        terminalreporter.section("faults survived")
        for kind, number in sorted(totals.items()):
            terminalreporter.write_line(f"{number:5d}  {kind}")
