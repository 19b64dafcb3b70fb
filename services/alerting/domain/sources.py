"""Sources as alerting hears of them: when one is late with its beat, and which rules that keeps closed."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from services.alerting.domain.judging import RULES
from shared.events.sources import Coverage, SourceKind

GRACE: Final = timedelta(hours=1)
"""A beat may come so much later than its rhythm, at most a tenth of it: clocks of jobs are not exact."""


class Source(Struct, frozen=True, kw_only=True):
    """One source and one kind it delivers, by the newest beat in any partition."""

    source: str
    kind: SourceKind
    coverage: Coverage
    rhythm_hours: int | None
    activated_at: datetime
    retired_at: datetime | None
    complete_until: datetime | None
    beaten_at: datetime
    """When that beat was recorded."""

    @property
    def late_from(self) -> datetime | None:
        """When it is late unless it beats before; None: never, because it need not beat or speaks for few."""
        if self.rhythm_hours is None or self.retired_at is not None or self.coverage != "all":
            return None
        rhythm = timedelta(hours=self.rhythm_hours)
        last = self.activated_at if self.complete_until is None else self.beaten_at
        return last + rhythm + min(GRACE, rhythm / 10)

    def late(self, now: datetime) -> bool:
        """Whether a beat is overdue."""
        return self.late_from is not None and now >= self.late_from

    @property
    def closes(self) -> tuple[str, ...]:
        """Codes of the rules that judge nothing new by absence while it is late."""
        return tuple(rule.code for rule in RULES if self.kind in rule.needs)
