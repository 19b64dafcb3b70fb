"""Match: which held warning an episode belongs to. One pass over all groups that a change touches, old and new.

What becomes of a warning that is matched is `change`'s; judging.md section 3 is the table behind both.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.alerting.domain.episode import Episode
from services.alerting.domain.fold import Evaluation
from services.alerting.domain.warning import HeldWarning
from shared.events import Party
from shared.events.days import start_of

Action = Literal["open", "keep", "join", "unjudge", "regrouped", "documents_changed"]


class Judgement(Struct, frozen=True):
    """What one rule says about one group."""

    code: str
    members: tuple[Party, ...]
    """Root first."""
    evaluation: Evaluation
    seeded_until: datetime | None = None

    @property
    def root(self) -> Party:
        return self.members[0]

    @property
    def ids(self) -> frozenset[UUID]:
        return frozenset(member.id for member in self.members)


class Match(Struct, frozen=True):
    """One decision: `open` has no held warning, `join` names the other (`into`), the last three no episode."""

    action: Action
    judgement: Judgement
    held: HeldWarning | None = None
    episode: Episode | None = None
    into: UUID | None = None


class _Pair(Struct, frozen=True, eq=False):
    held: HeldWarning
    judgement: Judgement
    episode: Episode


def match(held: Sequence[HeldWarning], judgements: Sequence[Judgement], zone: ZoneInfo) -> list[Match]:
    """Give every episode its warning, and every warning its fate.

    `held`: all warnings about any member of these groups that are not retracted; those that ended before the floor
    of their group's evaluation may be left out, they stand as they are.
    """
    index = _index(judgements)
    mine = [(one, _judging(one, index)) for one in held if one.condition != "retracted"]
    mine = [(one, by) for one, by in mine if by and not _stands(one, by)]
    pairs = [
        _Pair(one, judgement, episode)
        for one, by in mine
        for judgement in by
        for episode in judgement.evaluation.episodes
        if episode.scope == one.episode.scope and overlap(one.episode, episode) is not None
    ]
    pairs.sort(key=_preference)
    holder: dict[int, UUID] = {}
    kept: dict[UUID, Match] = {}
    for pair in pairs:
        if id(pair.episode) not in holder and pair.held.id not in kept:
            holder[id(pair.episode)] = pair.held.id
            kept[pair.held.id] = Match("keep", pair.judgement, pair.held, pair.episode)
    found = list(kept.values())
    best = {pair.held.id: pair for pair in reversed(pairs)}
    for one, by in mine:
        if one.id not in kept:
            rest = best.get(one.id)
            found.append(_left_over(one, by, zone) if rest is None else _joined(rest, holder))
    return [*found, *_new(judgements, holder)]


def overlap(one: Episode, other: Episode) -> timedelta | None:
    """How long both last together, None if they do not meet. Half-open; one of no length counts as its point."""
    start, end = max(one.started, other.started), min(_end(one), _end(other))
    if start < end:
        return end - start
    points = [episode.started for episode in (one, other) if episode.ended == episode.started]
    if points and all(_covers(one, point) and _covers(other, point) for point in points):
        return timedelta()
    return None


_FOREVER = datetime.max.replace(tzinfo=UTC)


def _end(episode: Episode) -> datetime:
    return _FOREVER if episode.ended is None else episode.ended


def _covers(episode: Episode, point: datetime) -> bool:
    return episode.started == point or episode.started <= point < _end(episode)


def _index(judgements: Iterable[Judgement]) -> dict[tuple[str, UUID], Judgement]:
    return {(one.code, member.id): one for one in judgements for member in one.members}


def _judging(held: HeldWarning, index: dict[tuple[str, UUID], Judgement]) -> list[Judgement]:
    """The judgements of its rule about any of its members, each once."""
    found = (index.get((held.code, member.id)) for member in held.members)
    return list({id(one): one for one in found if one is not None}.values())


def _stands(held: HeldWarning, by: Sequence[Judgement]) -> bool:
    """It ended before everything these evaluations looked at."""
    end, floors = held.episode.ended, [one.evaluation.floor for one in by]
    return end is not None and not held.unjudged and all(floor is not None and end < floor for floor in floors)


def _preference(pair: _Pair) -> tuple[Any, ...]:
    """Open episodes choose first: the firing one, then the unjudged, then the resolved; same root; the older."""
    held, episode = pair.held, pair.episode
    elsewhere = held.root.id != pair.judgement.root.id
    rank = 1 if held.unjudged else 0 if held.condition == "firing" else 2
    if episode.ended is None:
        return 0, rank, elsewhere, held.id.int
    together = overlap(held.episode, episode) or timedelta()
    return 1, elsewhere, -rank, -together, held.id.int, episode.started


def _joined(pair: _Pair, holder: dict[int, UUID]) -> Match:
    return Match("join", pair.judgement, pair.held, into=holder[id(pair.episode)])


def _left_over(held: HeldWarning, by: Sequence[Judgement], zone: ZoneInfo) -> Match:
    """No episode meets it: it was wrong, or the horizon fell behind it."""
    judgement = min(by, key=lambda one: one.root.id != held.root.id)
    through = judgement.evaluation.through
    if held.episode.by_absence and (through is None or held.episode.started > _after(through, zone)):
        return Match("unjudge", judgement, held)
    same = frozenset(member.id for member in held.members) in [one.ids for one in by]
    return Match("documents_changed" if same else "regrouped", judgement, held)


def _after(through: date, zone: ZoneInfo) -> datetime:
    return start_of(through + timedelta(days=1), zone)


def _new(judgements: Iterable[Judgement], holder: dict[int, UUID]) -> list[Match]:
    found = [
        Match("open", judgement, episode=episode)
        for judgement in judgements
        for episode in judgement.evaluation.episodes
        if id(episode) not in holder
    ]
    return sorted(found, key=_end_of)


def _end_of(found: Match) -> datetime:
    return _FOREVER if found.episode is None else _end(found.episode)
