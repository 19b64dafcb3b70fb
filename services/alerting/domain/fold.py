"""The fold: facts of one group through one rule, to episodes, a checkpoint, and when to look again. Pure.

What a fact means is the rule's; which warning an episode belongs to is `match`'s.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from services.alerting.domain.checkpoint import Checkpoint, Due, Need, group_key, needs
from services.alerting.domain.episode import Episode, Proof, Span, Track, ended, opened
from services.alerting.domain.facts import Fact, Hush, Rank, RuleVersion, position
from services.alerting.domain.rule import Rule, S
from shared.events.days import start_of

_AT = attrgetter("at")


class Evaluation(Struct, frozen=True):
    """What one rule says about one group now."""

    episodes: tuple[Episode, ...]
    """Every open episode, and every one that ended at `floor` or later."""
    floor: datetime | None
    """Earlier ends stand as they were told; None = everything was judged anew."""
    checkpoint: Checkpoint
    due: Due
    through: date | None
    """J(group, rule) it was judged by."""
    unchanged: bool = False
    """No fact of this rule is new under the same J: `episodes` is left empty, because the last ones still stand."""


class _Folded(Struct, Generic[S]):
    """State of the rule and of its scopes."""

    state: S
    tracks: dict[str, Track] = field(default_factory=dict)
    ended: list[Episode] = field(default_factory=list)


def evaluate(
    rule: Rule[S],
    members: Sequence[UUID],
    facts: Iterable[Fact],
    through: date | None,
    now: datetime,
    zone: ZoneInfo,
    base: Checkpoint | None = None,
    since: datetime | None = None,
) -> Evaluation:
    """Fold `facts` on top of `base` as far as that still holds (`needs` says which facts it takes; more are ignored).

    `members`: root first. `through`: J. Facts later than `now` wait; the clock does nothing else.
    """
    need = needs(rule, base, members, through, since, zone)
    known, waiting, head_at = _taken(rule, facts, members, need, now)
    if need.mode == "head" and base is not None and not known:
        carried = replace(base, head_at=base.head_at if head_at is None else head_at)
        return Evaluation((), None, carried, Due(base.settles, waiting), through, unchanged=True)
    fold = Fold(rule, through, zone)
    if need.mode == "all" or base is None:
        fold.begin(members[0])
        floor = None
    else:
        floor = None if base.cut is None else start_of(base.cut + timedelta(days=1), zone)
        fold.resume(base, need)
    if base is not None and need.mode != "all" and base.cut == through:
        cut_state = base.state
    else:
        known, cut_state = fold.settle_days(known)
    fold.tail(known)
    episodes = fold.episodes()
    checkpoint = fold.checkpoint(group_key(members), cut_state, head_at)
    return Evaluation(episodes, floor, checkpoint, Due(checkpoint.settles, waiting), through)


def _taken(
    rule: Rule[S], facts: Iterable[Fact], members: Sequence[UUID], need: Need, now: datetime
) -> tuple[list[Fact], datetime | None, datetime | None]:
    """The facts to be folded, in order; the instant of the next one that waits; that of the last known one of the
    group, whether the rule reads it or not."""
    group, code, reads = frozenset(members), rule.code, rule.reads
    after, again = need.after, need.mode == "tail"
    known: list[Fact] = []
    waiting = last = None
    for fact in facts:
        at, body = fact.at, fact.body
        if after is not None and (at < after or (at == after and not again)):
            continue
        if fact.party not in group and not (isinstance(body, RuleVersion) and body.code == code):
            continue
        mine = type(body) in reads
        if at > now:
            if mine and (waiting is None or at < waiting):
                waiting = at
            continue
        if mine:
            known.append(fact)
        if last is None or at > last:
            last = at
    known.sort(key=position)
    return known, waiting, last


class Fold(Generic[S]):
    """One run of `evaluate`. Days are ordinals; `_settled` is the day after J: absence rises up to its start only."""

    def __init__(self, rule: Rule[S], through: date | None, zone: ZoneInfo) -> None:
        self._rule, self._zone, self._through = rule, zone, through
        self._settled = None if through is None else through.toordinal() + 1
        self._pending: int | None = None
        self._before: list[Episode] = []
        self._head: bytes | None = None
        self._head_at: datetime | None = None

    def begin(self, root: UUID) -> None:
        """From nothing."""
        self._at: _Folded[S] = _Folded(self._rule.start(root))

    def resume(self, base: Checkpoint, need: Need) -> None:
        """From the head or the cut of a checkpoint."""
        state = base.state
        if need.mode == "head":
            self._pending = None if base.head_pending is None else base.head_pending.toordinal()
            self._head_at, self._head = base.head_at, base.head
            state = base.head or state
        kind: Any = self._rule.state
        self._at = _decoder(kind).decode(state)

    def settle_days(self, facts: list[Fact]) -> tuple[list[Fact], bytes]:
        """Fold all days up to J; return the facts that are left, and the state at the cut."""
        if self._settled is not None:
            split = next((n for n, fact in enumerate(facts) if fact.day >= self._settled), len(facts))
            self._instants(facts[:split])
            self.advance(self._settled)
            facts = facts[split:]
            floor = self._start(self._settled)
            self._before = [one for one in self._at.ended if one.ended is not None and one.ended < floor]
            self._at.ended = self._at.ended[len(self._before) :]
        return facts, _ENCODER.encode(self._at)

    def tail(self, facts: list[Fact]) -> None:
        """Fold what came after J: absence may end there, never rise."""
        self._instants(facts)
        if facts:
            self._head = _ENCODER.encode(self._at)

    def advance(self, to: int) -> None:
        """Fire the timers up to the start of day `to`, each with a verdict of its own."""
        while (day := self._rule.next_due(self._at.state)) is not None and day <= to:
            if self._settled is None or day > self._settled:
                self._leave(day - 1)
            scopes = self._rule.advance(self._at.state, day)
            self.verdict(scopes, self._start(day), day - 1, ())

    def verdict(self, scopes: Collection[str], at: datetime, day: int, causes: Sequence[Fact]) -> None:
        """Judge each scope once, after everything of this instant; absence needs J >= `day`."""
        rule, state = self._rule, self._at.state
        for scope in scopes:
            track = self._at.tracks.get(scope) or Track()
            before = track.level
            track.present = rule.present(state, scope, track.present)
            track.absent = self.allowed(rule.absent(state, scope), track.absent, day)
            if track.level != before:
                self._transition(scope, track, before, at, causes)
            if track.level:
                self._at.tracks[scope] = track
            elif before:
                del self._at.tracks[scope]

    def allowed(self, absent: int, held: int, day: int) -> int:
        """Beyond the horizon absence does not rise; what it would do is due when the day is settled."""
        if absent <= held or (self._settled is not None and day < self._settled):
            return absent
        self._leave(day)
        return held

    def episodes(self) -> tuple[Episode, ...]:
        """All of this run, oldest end first, open ones last."""
        found = [*self._before, *self._at.ended]
        for scope, track in self._at.tracks.items():
            proof = self._prove(scope, track.level)
            found.append(opened(scope, track, proof))
        return tuple(found)

    def checkpoint(self, members: tuple[UUID, ...], cut_state: bytes, last: datetime | None) -> Checkpoint:
        """Where this run stands; `last` is the latest fact it was handed."""
        rule, head_at = self._rule, self._head_at
        after_cut = self._settled is None or (last is not None and last >= self._start(self._settled))
        if last is not None and after_cut:
            head_at = last if head_at is None else max(head_at, last)
        return Checkpoint(
            code=rule.code,
            build=rule.build,
            members=members,
            cut=self._through,
            state=cut_state,
            head=self._head,
            head_at=head_at,
            head_pending=None if self._pending is None else date.fromordinal(self._pending),
            settles=self.settling(),
        )

    def settling(self) -> date | None:
        """First day whose settling can change anything: the next timer's, or one the tail left unjudged."""
        timer = self._rule.next_due(self._at.state)
        days = [day for day in (self._pending, None if timer is None else timer - 1) if day is not None]
        return date.fromordinal(min(days)) if days else None

    def _instants(self, facts: list[Fact]) -> None:
        rule = self._rule
        for at, group in groupby(facts, key=_AT):
            instant = list(group)
            day = instant[0].day
            self.advance(day)
            scopes: dict[str, None] = {}
            for fact in instant:
                scopes.update(dict.fromkeys(rule.apply(self._at.state, fact)))
            self.verdict(scopes, at, day, instant)

    def _start(self, day: int) -> datetime:
        return start_of(date.fromordinal(day), self._zone)

    def _leave(self, day: int) -> None:
        self._pending = day if self._pending is None else min(self._pending, day)

    def _prove(self, scope: str, level: int) -> Proof:
        """The proof as of now.

        Numbers that stop at the horizon are due for a look behind it, or they would depend on when they were made.
        """
        waits = self._rule.waits(self._at.state, scope, self._settled)
        if waits is not None:
            self._leave(waits)
        return self._rule.prove(self._at.state, scope, level, self._settled)

    def _transition(self, scope: str, track: Track, before: int, at: datetime, causes: Sequence[Fact]) -> None:
        proof = self._prove(scope, track.level)
        if track.level == 0:
            reason = _end_reason(causes, self._rule.end_reason)
            self._at.ended.append(ended(opened(scope, track, proof), at, reason))
            return
        documents = [fact.hush for fact in causes if fact.rank != Rank.RULE]
        track.spans.append(
            Span(
                since=at,
                level=track.level,
                by_absence=track.absent > track.present,
                by_time=not documents,
                hush=min(documents, default=Hush.NONE),
                rise=track.level > before,
                numbers=proof.evidence.numbers,
            )
        )


def _end_reason(causes: Sequence[Fact], usual: str) -> str:
    ranks = {fact.rank for fact in causes}
    if Rank.RULE in ranks:
        return "rule_changed"
    return "limit_changed" if Rank.LIMIT in ranks else usual


_ENCODER = msgspec.msgpack.Encoder()


@cache
def _decoder(state: Any) -> msgspec.msgpack.Decoder[Any]:
    folded: Any = _Folded
    return msgspec.msgpack.Decoder(folded[state])
