"""Ends the run with a table: which seed or schedule noticed which missing safeguard, and how."""

import pytest

PROPERTY = "missing safeguard"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`safeguard | seed | how`, from what the tests have recorded."""
    reports = terminalreporter.stats.get("passed", [])
    lines = [line for report in reports for name, line in report.user_properties if name == PROPERTY]
    if lines:
        terminalreporter.section("protocol model: safeguard | noticed by | how")
        for line in lines:
            terminalreporter.line(line)
