"""A driver without a database: keeps what tables would keep, and checks every invariant after every touch."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from services.alerting.domain import (
    RULES,
    Acknowledge,
    Change,
    Checkpoint,
    Close,
    Due,
    Episode,
    Expire,
    Fact,
    GroupInput,
    HeldWarning,
    RuleVersion,
    evaluate,
    explode,
    handle,
    horizon,
    judge,
    judged_through,
    named_invoices,
)
from services.alerting.domain import checkpoint as checkpoints
from services.alerting.domain.credit_limit import CreditState
from services.alerting.domain.explode import mark_seen, version_fact
from services.alerting.domain.fold import _decoder
from services.alerting.domain.parameters import SHIPPED_FROM
from shared.errors import ForewarnError
from shared.events import Document, Invoice, Order, Party, Payment
from shared.events.days import day_of, start_of
from shared.events.receivables import allocate, uninvoiced
from tests.support import builders as build

KINDS = ("order", "payment")
FIRST = (
    RuleVersion("credit_limit", 1, SHIPPED_FROM, {"overdue_warning_days": 3, "overdue_critical_days": 12}),
    RuleVersion("churn", 1, SHIPPED_FROM, {"floor_days": 9, "cap_days": 25, "gap_percent": 200}),
)
"""Short lines, so that much happens in few days."""


class Broken(AssertionError):
    """An invariant of judging.md section 4 does not hold."""


class World:
    """What the driver, the only writer, would keep in tables, and its one operation: touch."""

    def __init__(self, parties: Sequence[Party], zone: ZoneInfo, sparing: bool) -> None:
        self.zone, self.parties, self.sparing = zone, tuple(parties), sparing
        self.now = build.day(-1)
        self.documents: dict[tuple[str, str], tuple[int, Document]] = {}
        self.versions = list(FIRST)
        self.links: set[tuple[int, int]] = set()
        self.watermarks: dict[tuple[UUID, str], date] = {}
        self.judged: dict[tuple[UUID, str], date] = {}
        self.held: dict[UUID, HeldWarning] = {}
        self.rows: dict[UUID, dict[str, Checkpoint]] = {}
        self.due: dict[UUID, dict[str, Due]] = {}
        self.retracted: set[UUID] = set()
        self.modes: dict[str, int] = {}
        self._ids = (UUID(int=number) for number in count(1))

    def groups(self) -> list[tuple[Party, ...]]:
        """Linked parties, root (the lowest) first."""
        root = list(range(len(self.parties)))
        for low, high in sorted(self.links):
            root = [root[low] if one == root[high] else one for one in root]
        found: dict[int, list[Party]] = {}
        for index, party in enumerate(self.parties):
            found.setdefault(root[index], []).append(party)
        return [(self.parties[low], *(p for p in members if p != self.parties[low])) for low, members in found.items()]

    def facts(self, members: Sequence[Party]) -> list[Fact]:
        """All facts of a group."""
        ids = {member.id for member in members}
        found = [fact for _, document in self.documents.values() for fact in explode(document, self.zone)]
        return [fact for fact in found if fact.party in ids]

    def document(self, revision: int, document: Document) -> None:
        """A revision arrives; a lower one than the one held is ignored."""
        key = (document.kind, document.natural_key)
        held = self.documents.get(key)
        if held is not None and held[0] >= revision:
            return
        before = [] if held is None else explode(held[1], self.zone)
        after = explode(document, self.zone)
        self.documents[key] = (revision, document)
        changed = [fact for fact in (*before, *after) if (fact in before) != (fact in after)]
        if changed:
            self.touch({f.party for f in changed if f.party}, min(fact.at for fact in changed))

    def link(self, low: int, high: int, present: bool) -> None:
        old = {frozenset(party.id for party in group) for group in self.groups()}
        (self.links.add if present else self.links.discard)((low, high))
        new = {frozenset(party.id for party in group) for group in self.groups()}
        moved = {party for group in old ^ new for party in group}
        if moved:
            self.touch(moved, None, linked=True)

    def version(self, version: RuleVersion) -> None:
        self.versions.append(version)
        self.touch({party.id for party in self.parties}, version.valid_from)

    def beat(self, kind: str, day: date, only: int | None = None) -> None:
        """A source speaks for everyone, or for one customer."""
        for index, party in enumerate(self.parties):
            if only in (None, index):
                self.watermarks[party.id, kind] = day
        self.wake()

    def pass_time(self, now: datetime) -> None:
        """The clock: expiries, then whatever is due."""
        self.now = now
        for one in list(self.held.values()):
            self._handled(one, Expire())
        self.wake()

    def wake(self) -> None:
        """The due job."""
        for _ in range(50):
            ready = [group for group in self.groups() if self._ready(group)]
            if not ready:
                return
            for group in ready:
                self.touch({group[0].id}, None)
        raise Broken("the due job never comes to rest")

    def command(self, rng: random.Random) -> None:
        alive = [one for one in self.held.values() if one.condition == "firing"]
        if alive:
            actor, one = "u1", rng.choice(sorted(alive, key=lambda warning: warning.id))
            until = self.now + timedelta(days=rng.randint(1, 20))
            close = Close(actor=actor, cause="x", countermeasure="y", outcome="useful", accepted_risk_until=until)
            self._handled(one, rng.choice([Acknowledge(actor=actor, until=until), close]))

    def touch(self, parties: set[UUID], since: datetime | None, linked: bool = False) -> None:
        """Judge all groups of these parties in one pass, store the plan, and check everything."""
        groups = [group for group in self.groups() if any(member.id in parties for member in group)]
        inputs = [self._input(group, since) for group in groups]
        members = {member.id for group in groups for member in group}
        held = [one for one in self.held.values() if any(member.id in members for member in one.members)]
        if self.sparing and not linked:
            held = [one for one in held if not self._settled(one, inputs, since)]
        open_before = {_thread(one): one.id for one in self.held.values() if one.firing}
        plan = judge(inputs, held, now=self.now, zone=self.zone, new_id=lambda: next(self._ids), versions=self.versions)
        for change in plan.changes:
            self._check_change(change)
            self.held[change.warning.id] = _restored(change.warning)
        for group_plan in plan.groups:
            self.rows[group_plan.root], self.due[group_plan.root] = group_plan.checkpoints, group_plan.due
            for member in group_plan.void:
                self.rows.pop(member, None)
                self.due.pop(member, None)
        self.check(open_before, linked)

    def check(self, open_before: dict[tuple[str, UUID, str], UUID], linked: bool) -> None:
        """INVARIANT: every line of judging.md section 4, over every group."""
        firing = [_thread(one) for one in self.held.values() if one.firing]
        _must(len(firing) == len(set(firing)), "two warnings of one rule, root and scope fire")
        now_open = {_thread(one): one.id for one in self.held.values() if one.firing}
        for group in self.groups():
            if self._ready(group):
                continue
            later = self.scratch(group, self._promised(group))
            for code, expected in self.scratch(group, self.judged).items():
                _must(expected == later[code], f"{code}: due missed what the horizon settled")
                self._check_held(group[0], code, expected)
                for episode in expected:
                    thread = (code, group[0].id, episode.scope)
                    if episode.ended is None and thread in open_before and not linked:
                        _must(now_open.get(thread) == open_before[thread], "an open warning changed its id")
            self._check_ledger(group)
            self._check_unjudged(group)

    def scratch(self, group: Sequence[Party], judged: dict[tuple[UUID, str], date]) -> dict[str, list[Episode]]:
        """What all facts say under J, without any checkpoint."""
        ids = tuple(member.id for member in group)
        spread = [version_fact(version, self.zone) for version in self.versions]
        facts = [*spread, *mark_seen(self.facts(group))]
        return {
            rule.code: list(
                evaluate(rule, ids, facts, judged_through(judged, ids, rule.needs), self.now, self.zone).episodes
            )
            for rule in RULES
        }

    def outcome(self) -> list[tuple[Any, ...]]:
        """What may not depend on arrival."""
        rows = [(one.code, one.root.id, one.condition, one.episode) for one in self.held.values() if _counts(one)]
        return sorted(rows, key=lambda row: (row[0], row[1], row[3].scope, row[3].started, row[3].ended or self.now))

    def _input(self, group: tuple[Party, ...], since: datetime | None) -> GroupInput:
        ids = [member.id for member in group]
        self.judged |= self._promised(group)
        row = self.rows.get(group[0].id, {})
        need = checkpoints.reach(RULES, row, ids, self.judged, since, self.zone)
        self.modes[need.mode] = self.modes.get(need.mode, 0) + 1
        facts = every = self.facts(group)
        if need.after is not None:
            facts = [f for f in every if f.at > need.after or (need.mode == "tail" and f.at == need.after)]
        wanted = named_invoices(facts)
        named = [fact for fact in every if fact.key in wanted]
        return GroupInput(
            members=group, facts=facts, named=named, judged=dict(self.judged), checkpoints=row, since=since
        )

    def _promised(self, group: Sequence[Party]) -> dict[tuple[UUID, str], date]:
        """The J these members would have if they were judged now."""
        found = {}
        for member in group:
            for kind in KINDS:
                stored, watermark = self.judged.get((member.id, kind)), self.watermarks.get((member.id, kind))
                day = horizon.ratchet(stored, watermark, self.now, self.zone)
                if day is not None:
                    found[member.id, kind] = day
        return found

    def _ready(self, group: Sequence[Party]) -> bool:
        """The due job has not come to it yet."""
        ids, judged = [member.id for member in group], self._promised(group)
        for rule in RULES:
            due = self.due.get(group[0].id, {}).get(rule.code, Due())
            through = judged_through(judged, ids, rule.needs)
            if due.settled is not None and through is not None and through >= due.settled:
                return True
            if due.at is not None and self.now >= due.at:
                return True
        return False

    def _settled(self, one: HeldWarning, inputs: Sequence[GroupInput], since: datetime | None) -> bool:
        """It ended before the cut of every group of the pass that knows it, and none is judged from scratch."""
        if one.episode.ended is None or one.unjudged:
            return False
        for group in inputs:
            ids = [member.id for member in group.members]
            base = group.checkpoints.get(one.code)
            rule = next(rule for rule in RULES if rule.code == one.code)
            through = judged_through(group.judged, ids, rule.needs)
            need = checkpoints.needs(rule, base, ids, through, since, self.zone)
            if need.mode == "all" or base is None or base.cut is None:
                return False
            if one.episode.ended >= start_of(base.cut + timedelta(days=1), self.zone):
                return False
        return True

    def _handled(self, one: HeldWarning, command: Any) -> None:
        try:
            change = handle(one, command, self.now)
        except ForewarnError:
            return
        if change is not None:
            _must(replace(change.warning, handling=one.handling) == one, "a command changed more than handling")
            self.held[one.id] = change.warning

    def _check_change(self, change: Change) -> None:
        before, after = change.before, change.warning
        _must(after.id not in self.retracted, "a retracted warning came back")
        if after.condition == "retracted":
            self.retracted.add(after.id)
        if before is not None and after.condition != "retracted" and before.handling != after.handling:
            _must(change.reason in ("raised", "reopened"), f"handling was lost by `{change.reason}`")
        _must(before is None or before != after, "a change without a change")

    def _check_held(self, root: Party, code: str, expected: list[Episode]) -> None:
        held = [one for one in self.held.values() if _counts(one) and one.code == code and one.root.id == root.id]
        mine = sorted((one.episode for one in held), key=_order)
        _must(mine == sorted(expected, key=_order), f"{code}: held differs from scratch")
        for one in held:
            _must((one.condition == "firing") == (one.episode.ended is None), "condition differs from the episode")
            ids = [member.id for member in one.members]
            rule = next(rule for rule in RULES if rule.code == code)
            through = judged_through(self.judged, ids, rule.needs)
            for span in one.episode.spans:
                if span.by_absence and span.rise:
                    beyond = through is None or span.since > start_of(through + timedelta(days=1), self.zone)
                    _must(not beyond, "absence was judged beyond the horizon")

    def _check_unjudged(self, group: Sequence[Party]) -> None:
        ids = [member.id for member in group]
        for one in self.held.values():
            if one.unjudged and one.condition != "retracted" and one.root.id == ids[0]:
                rule = next(rule for rule in RULES if rule.code == one.code)
                through = judged_through(self._promised(group), ids, rule.needs)
                beyond = through is None or one.episode.started > start_of(through + timedelta(days=1), self.zone)
                _must(beyond, "a warning stays unjudged although the horizon has reached it")

    def _check_ledger(self, group: Sequence[Party]) -> None:
        base = self.rows.get(group[0].id, {}).get("credit_limit")
        if base is None:
            return
        ids = {member.id for member in group}
        state: CreditState = _decoder(CreditState).decode(base.head or base.state).state
        facts = [f for f in self.facts(group) if f.at <= self.now and type(f.body) in RULES[0].reads]
        spread = [version_fact(one, self.zone) for one in self.versions if one.code == "credit_limit"]
        points = [fact.at for fact in (*facts, *spread) if fact.at <= self.now]
        if base.cut is not None:
            points.append(start_of(base.cut + timedelta(days=1), self.zone))
        as_of = max(points)
        documents = [document for _, document in self.documents.values()]
        lines = (state.parameters.overdue_warning_days, state.parameters.overdue_critical_days)
        for currency, ledger in state.ledgers.items():
            bills = [d for d in documents if isinstance(d, Invoice) and d.currency == currency and d.payer.id in ids]
            money = [d for d in documents if isinstance(d, Payment) and d.currency == currency and d.party.id in ids]
            orders = [d for d in documents if isinstance(d, Order) and d.currency == currency and d.payer.id in ids]
            expected = allocate(bills, money, as_of=as_of, zone=self.zone)
            items = {item.key: item.open for item in expected.items if item.open}
            _must({key: left for key, (left, _) in ledger.claims.items()} == items, "open items differ from allocate")
            _must(ledger.debt == expected.debt, "debt differs from allocate")
            paid = {item.key: item.amount - item.open for item in expected.items if 0 < item.open < item.amount}
            parts = {key: sum(part.amount for part in found) for key, found in ledger.paid.items()}
            _must(parts == paid, "what open items were paid with is not what they were paid")
            _must(list(items) == list(ledger.claims), "open items are in another order")
            timer, ledger.timer = ledger.next_due(lines), -1
            _must(timer == ledger.next_due(lines), "the next timer differs from the one looked up")
            ledger.book.lapse(day_of(as_of, self.zone).toordinal(), 90)
            left = {one.key: one.open for one in uninvoiced(orders, bills, as_of=as_of, zone=self.zone)}
            _must({key: entry[1] for key, entry in ledger.book.open.items()} == left, "open orders differ")


def _thread(one: HeldWarning) -> tuple[str, UUID, str]:
    return one.code, one.root.id, one.episode.scope


def _counts(one: HeldWarning) -> bool:
    return one.condition != "retracted" and not one.unjudged


def _order(episode: Episode) -> tuple[Any, ...]:
    return episode.scope, episode.started, episode.ended is None, episode.ended or episode.started


def _restored(warning: HeldWarning) -> HeldWarning:
    """As it comes back from storage."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(warning), type=HeldWarning)


def _must(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)
