"""Judge customers: load their groups, hand them to the domain in slices, store what the plans say.

Set-based: statements per pass, not per customer. Locks are taken in the order markers, alias, documents, states by id;
whoever judges or handles keeps to it.
"""

import asyncio
from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from prometheus_client import Counter

from services.alerting import domain
from services.alerting.domain import RULES, Change, Due, GroupPlan
from services.alerting.repository import dues, states, warnings
from services.alerting.repository.dues import Ceiling, DueRow
from services.alerting.repository.states import NOTHING, GroupState, PartyState
from services.alerting.use_cases.loading import Group, Loaded, load
from services.alerting.use_cases.touch import Touch
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.events.days import day_of
from shared.messaging import customers, horizon, markers

SLICE: Final = 50
"""Groups judged before others get a turn of the event loop."""

DUE_PAGE: Final = 500

JUDGED: Final = Counter("alerting_groups_judged_total", "Groups judged, by what had to be folded", ["need"])
OPENED: Final = Counter("alerting_warnings_opened_total", "Warnings that began to fire", ["code", "tier"])

_NEVER: Final = Due()


async def judge_customers(touch: Touch, unit: UnitOfWork, zone: ZoneInfo, *, exact: bool = False) -> None:
    """Judge the groups of all touched customers in one pass; the caller holds the alias lock.

    `exact`: write for all of them when they are due, and that they were looked at; else only what is due earlier
    than was written.
    """
    if not touch.since:
        return
    looked = await dues.mark(unit.connection)
    loaded = await load(touch, unit, zone)
    changes: list[Change] = []
    judged: list[tuple[Group, GroupPlan]] = []
    for groups in _slices(loaded, touch):
        plan = domain.judge(
            [group.input(loaded.rules.begun) for group in groups],
            [warning for group in groups for warning in group.warnings],
            now=unit.now,
            zone=zone,
            new_id=unit.new_id,
            versions=loaded.rules.versions,
        )
        changes += plan.changes
        judged += zip(groups, plan.groups, strict=True)
        await asyncio.sleep(0)
    await _save(judged, looked, exact, unit.connection)
    await warnings.store(changes, unit)
    _count(loaded, changes)


async def judge_due(unit: UnitOfWork, zone: ZoneInfo) -> bool:
    """Judge a page of groups whose time has come, by the horizon or the clock; returns whether there may be more."""
    await markers.share(unit.connection)
    await customers.lock_shared(unit.connection)
    if await markers.closed(unit.connection):
        return False
    roots = await _ready(DUE_PAGE, unit, zone)
    await judge_customers(Touch(dict.fromkeys(roots)), unit, zone, exact=True)
    return len(roots) == DUE_PAGE


async def anyone_due(unit: UnitOfWork, zone: ZoneInfo) -> bool:
    """Whether `judge_due` has work: until that is done, warnings are not what documents and horizon say."""
    return bool(await markers.closed(unit.connection) or await _ready(1, unit, zone))


async def _ready(limit: int, unit: UnitOfWork, zone: ZoneInfo) -> list[UUID]:
    looked = await dues.mark(unit.connection)
    ceilings = _ceilings(await horizon.ceilings(unit.connection), zone)
    return await dues.ready(ceilings, looked, unit.now, limit, unit.connection)


def _ceilings(until: Mapping[tuple[str, int], datetime], zone: ZoneInfo) -> list[Ceiling]:
    """How far each rule can come in each partition."""
    found = []
    for rule in RULES:
        for part in {part for _, part in until}:
            instants = [until.get((kind, part)) for kind in rule.needs]
            if None not in instants:
                day = day_of(min(filter(None, instants)), zone) - timedelta(days=1)
                found.append(Ceiling(rule.code, part, day))
    return found


def _slices(loaded: Loaded, touch: Touch) -> Iterator[list[Group]]:
    """Some groups at a time. Only after a link or its end is a warning about members of several: they stay together."""
    tied = {loaded.group_of[party] for party in touch.regrouped}
    rest = iter([group for group in loaded.groups if group not in tied])
    some = list(tied) or list(islice(rest, SLICE))
    while some:
        yield some
        some = list(islice(rest, SLICE))


async def _save(judged: Sequence[tuple[Group, GroupPlan]], looked: int, exact: bool, connection: Connection) -> None:
    """Checkpoints, J and dues. What lies under the id of a member that is no root would look valid after an unlink."""
    changed: list[PartyState] = []
    written: list[DueRow] = []
    gone: list[tuple[UUID, str]] = []
    for group, plan in judged:
        stored = group.stored[0].group
        due = _dues(plan, stored, exact)
        written += [DueRow(plan.root, code, one) for code, one in due.items() if exact or stored.due.get(code) != one]
        # Who has no checkpoint may be due without knowing it: that is how a rebuild asks for him.
        known = stored.due if stored.checkpoints or not exact else {rule.code for rule in RULES}
        gone += [(plan.root, code) for code in known if code not in due]
        gone += [(member.party.id, code) for member in group.stored[1:] for code in member.group.due]
        root, *others = group.states
        now = [replace(root, group=GroupState(plan.checkpoints, due)), *(replace(one, group=NOTHING) for one in others)]
        changed += [one for one, before in zip(now, group.stored, strict=True) if one != before]
    await states.save(changed, connection)
    await dues.save(written, looked, connection)
    await dues.delete(gone, connection)


def _dues(plan: GroupPlan, stored: GroupState, exact: bool) -> dict[str, Due]:
    """What the table shall say. A day that only moved away stays, as long as it lies beyond J: looking once in vain
    costs less than moving it with every order."""
    found = {}
    for code, due in plan.due.items():
        old, cut = stored.due.get(code), plan.checkpoints[code].cut
        if not exact and old is not None and _wakes(old, due, cut):
            found[code] = old
        elif due != _NEVER:
            found[code] = due
    return found


def _wakes(old: Due, due: Due, cut: date | None) -> bool:
    """The old one wakes in time for the new one, and not already now."""
    if old.settled is None or old.at != due.at or (cut is not None and old.settled <= cut):
        return False
    return due.settled is None or old.settled <= due.settled


def _count(loaded: Loaded, changes: Iterable[Change]) -> None:
    for mode, groups in Counted(group.need.mode for group in loaded.groups).items():
        JUDGED.labels(mode).inc(groups)
    for change in changes:
        if change.reason == "opened" and change.warning.firing:
            OPENED.labels(change.warning.code, change.warning.episode.spans[-1].tier).inc()
