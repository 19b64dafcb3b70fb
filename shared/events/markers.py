"""Markers: where a producer's republication stands in the log. What a consumer concludes from it, messaging knows."""

from datetime import datetime
from typing import ClassVar, Literal

from shared.events.document import Document, Instant, Party

Phase = Literal["begun", "complete", "confirmed"]


class Marker(Document, frozen=True, kw_only=True, omit_defaults=True):
    """State of one producer's last republication: one row in every partition per phase.

    Between `begun` and `complete` lie all its documents at their revision. `confirmed` follows a restore from a backup:
    what was not republished is gone, a person has said so.
    """

    kind: ClassVar[str] = "marker"
    reasons: ClassVar[frozenset[str]] = frozenset({"begun", "complete", "confirmed"})

    producer: str
    phase: Phase
    number: int
    """Of the republication, ascending within an epoch of the producer."""
    begun_at: Instant

    @property
    def natural_key(self) -> str:
        return self.producer

    @property
    def at(self) -> datetime:
        return self.begun_at

    def parties(self) -> tuple[Party, ...]:
        return ()
