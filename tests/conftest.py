"""Figures that tests measure, printed at the end of a run."""

from __future__ import annotations

import pytest


@pytest.fixture
def figure(record_property):
    """Call it with a line of text to have it printed at the end of the run, also from a worker of xdist."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    reports = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(text)
