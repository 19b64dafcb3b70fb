"""Episodes: one run of one rule's condition about one scope, from its first breach to its end, with its proof."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct, field

from services.alerting.domain.facts import Hush
from shared.events.alerting import Evidence, Tier

TIERS: Final[tuple[Tier | None, ...]] = (None, "warning", "critical")
"""Tier by level; level 0 = the condition is not true."""

Level = int


class Proof(Struct, frozen=True):
    """Why, as of the last verdict: a function of documents and horizon, never of the time of evaluation."""

    version: int
    """Version of the rule's parameters in force."""
    evidence: Evidence


class Span(Struct, frozen=True):
    """From `since` on the episode stood at `level`, with these numbers."""

    since: datetime
    level: Level
    by_absence: bool
    """The tier rests on absence alone."""
    by_time: bool
    """No document of this instant caused it: a boundary or a rule version did."""
    hush: int
    """Lowest `Hush` of the documents that caused it."""
    rise: bool
    numbers: dict[str, str]

    @property
    def tier(self) -> Tier:
        return TIERS[self.level] or "info"


class Episode(Struct, frozen=True):
    """What the fold says; business time only. Identity, handling and delivery are a warning's."""

    scope: str
    started: datetime
    ended: datetime | None
    end_reason: str | None
    spans: tuple[Span, ...]
    proof: Proof

    @property
    def level(self) -> Level:
        """The tier it stands at, or stood at last."""
        return self.spans[-1].level

    @property
    def by_absence(self) -> bool:
        """It began by absence."""
        return self.spans[0].by_absence


class Track(Struct):
    """Where one scope stands in the fold."""

    present: Level = 0
    """Level of what is judged at once; hysteresis needs it."""
    absent: Level = 0
    """Level of absence as far as it may be judged."""
    spans: list[Span] = field(default_factory=list)
    """Of the open episode; empty = none is open."""

    @property
    def level(self) -> Level:
        return max(self.present, self.absent)


def opened(scope: str, track: Track, proof: Proof) -> Episode:
    """The open episode of a scope."""
    return Episode(scope, track.spans[0].since, None, None, tuple(track.spans), proof)


def ended(episode: Episode, at: datetime, reason: str) -> Episode:
    """The same, ended."""
    return msgspec.structs.replace(episode, ended=at, end_reason=reason)


def hushed(span: Span, seeded_until: datetime | None) -> Hush:
    """Why the rise of this span must not push: by its documents, or because it lies in imported history."""
    if not span.by_time:
        return Hush(span.hush)
    return Hush.SEEDED if seeded_until is not None and span.since <= seeded_until else Hush.NONE
