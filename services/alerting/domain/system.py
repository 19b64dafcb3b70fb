"""Warnings about the installation itself: a source that is late, records nobody could read. Pure; the clock is a fact.

They follow from no documents of customers, so no rule folds them; they are held, handled and told like all others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from services.alerting.domain.episode import Episode, Proof, Span, ended
from services.alerting.domain.facts import Hush
from services.alerting.domain.sources import Source
from services.alerting.domain.warning import Change, HeldWarning
from shared.events import Party
from shared.events.alerting import Evidence

INSTALLATION: Final = Party.external("forewarn", "installation")
"""Whom these warnings are about."""

LETTERS_AFTER: Final = timedelta(minutes=5)
"""A letter that is answered sooner troubles nobody."""

_LEVEL: Final = 1

Thread = tuple[str, str]
"""Code and scope."""


class Trouble(Struct, frozen=True, kw_only=True):
    """Something that is wrong now."""

    code: str
    scope: str = ""
    since: datetime
    evidence: Evidence

    @property
    def thread(self) -> Thread:
        return self.code, self.scope

    @property
    def episode(self) -> Episode:
        span = Span(self.since, _LEVEL, False, True, Hush.NONE, True, self.evidence.numbers)
        return Episode(self.scope, self.since, None, None, (span,), Proof(1, self.evidence))


def late_sources(sources: Iterable[Source], now: datetime) -> list[Trouble]:
    """One for each source and kind whose beat is overdue."""
    return [
        Trouble(
            code="system_source_late",
            scope=f"{source.source}/{source.kind}",
            since=source.late_from,
            evidence=Evidence(
                numbers={
                    "source": source.source,
                    "kind": source.kind,
                    "complete_until": source.complete_until.isoformat() if source.complete_until else "",
                    "rhythm_hours": str(source.rhythm_hours),
                    "keeps_closed": ", ".join(source.closes),
                },
                formula="no beat within rhythm_hours",
                clears={"command": f"forewarn sources retire {source.source} {source.kind}"},
            ),
        )
        for source in sources
        if source.late_from is not None and source.late(now)
    ]


def dead_letters(count: int, oldest: datetime | None, now: datetime) -> list[Trouble]:
    """One while a letter has been open for long."""
    if oldest is None or now - oldest < LETTERS_AFTER:
        return []
    evidence = Evidence(
        numbers={"open": str(count), "oldest": oldest.isoformat()},
        formula=f"a letter open for more than {LETTERS_AFTER // timedelta(minutes=1)} minutes",
        clears={"command": "forewarn deadletters list"},
    )
    return [Trouble(code="system_dead_letters", since=oldest, evidence=evidence)]


def settle(
    troubles: Sequence[Trouble],
    held: Iterable[HeldWarning],
    previous: Mapping[Thread, UUID],
    now: datetime,
    new_id: Callable[[], UUID],
) -> list[Change]:
    """What changes about the firing warnings `held`; those that end come first."""
    wrong = {trouble.thread: trouble for trouble in troubles}
    firing = {(one.code, one.episode.scope): one for one in held}
    over = [_resolved(one, now) for thread, one in firing.items() if thread not in wrong]
    kept = [_corrected(one, wrong[thread]) for thread, one in firing.items() if thread in wrong]
    new = [_opened(one, new_id(), previous.get(one.thread)) for one in troubles if one.thread not in firing]
    return [*over, *filter(None, kept), *new]


def _opened(trouble: Trouble, identifier: UUID, previous: UUID | None) -> Change:
    return Change(
        "opened",
        HeldWarning(
            id=identifier,
            code=trouble.code,
            root=INSTALLATION,
            members=(INSTALLATION,),
            condition="firing",
            episode=trouble.episode,
            told=_LEVEL,
            previous=previous,
        ),
    )


def _corrected(held: HeldWarning, trouble: Trouble) -> Change | None:
    return (
        None if held.episode == trouble.episode else Change("corrected", replace(held, episode=trouble.episode), held)
    )


def _resolved(held: HeldWarning, now: datetime) -> Change:
    over = ended(held.episode, max(now, held.episode.started), "recovered")
    return Change("resolved", replace(held, condition="resolved", episode=over), held)
