"""The table of metrics in the runbook is what the program exports, name for name and label for label."""

import re
from pathlib import Path
from typing import Final

from tests.support.metrics import exported

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"

_ROW: Final = re.compile(r"^\| `(?P<name>\w+)` \|(?P<labels>[^|]*)\| (?P<says>[^|]+) \|$", re.MULTILINE)


def documented() -> list[tuple[str, tuple[str, ...]]]:
    """Names and labels in the table."""
    chapter = OPERATIONS.read_text().partition("\n## Metrics\n")[2]
    return [(row["name"], tuple(re.findall(r"`(\w+)`", row["labels"]))) for row in _ROW.finditer(chapter)]


class TestTable:
    def test_names_every_metric_and_its_labels(self) -> None:
        """INVARIANT: dashboards and alerts are made from this table; a renamed metric would silence them."""
        assert dict(documented()) == exported()

    def test_names_each_once(self) -> None:
        names = [name for name, _ in documented()]
        assert len(names) == len(set(names))
