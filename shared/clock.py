"""The only place that reads the wall clock; everything else is handed a `Clock` or an instant."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Port: the current instant."""

    def now(self) -> datetime:
        """Return the current instant, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
