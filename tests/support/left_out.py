"""Ends every run of the tests with what was left out and why, so that nothing is skipped in silence."""

from collections import Counter

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """One last line, after pytest's own; parallel workers have no reporter and say nothing."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats:
        reporter.ensure_newline()
        reporter.write_line(left_out(reporter.stats.get("skipped", []), len(reporter.stats.get("deselected", []))))


def left_out(skipped: list[pytest.TestReport], deselected: int) -> str:
    """The line itself."""
    reasons = Counter(_reason(report) for report in skipped)
    if deselected:
        reasons["not selected"] = deselected
    told = "; ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items()))
    return f"Left out: {told or 'nothing'}"


def _reason(report: pytest.TestReport) -> str:
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return said.removeprefix("Skipped: ")
