"""Ends every run with what tests found worth telling: processes that took part, how long a recovery took."""

from collections.abc import Callable
from typing import Final

import pytest

REPORTED: Final = "reported"
"""Name of the property (`record_property`) whose value is such a line."""

Record = Callable[[str, object], None]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each of them, of tests that passed."""
    for report in terminalreporter.stats.get("passed", []):
        for name, line in report.user_properties:
            if name == REPORTED:
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {line}")
