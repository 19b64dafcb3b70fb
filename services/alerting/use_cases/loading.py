"""What judging is handed: the groups of touched customers, locked, with horizon, checkpoints, facts and warnings."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from services.alerting.domain import (
    RULES,
    SHIPPED,
    Fact,
    GroupInput,
    HeldWarning,
    Need,
    named_invoices,
    ratchet,
    reach,
)
from services.alerting.repository import KINDS, facts, states, warnings
from services.alerting.repository.facts import EVER, Rules
from services.alerting.repository.states import PartyState
from services.alerting.use_cases.touch import Touch
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.events import Party
from shared.events.days import day_of, start_of
from shared.messaging import customers, horizon
from shared.messaging.horizon import Horizon

Members = Mapping[UUID, Sequence[UUID]]
"""Groups by root, the root first and the others in order."""

_ONE_DAY: Final = timedelta(days=1)
_number = attrgetter("int")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything one pass works with."""

    groups: Mapping[UUID, GroupInput]
    """By root."""
    needs: Mapping[UUID, Need]
    held: Sequence[HeldWarning]
    rules: Rules
    stored: Mapping[UUID, PartyState]
    """States of all members as they are stored."""
    states: Mapping[UUID, PartyState]
    """The same with what is known now: names, J, the end of imported history."""
    root_of: Mapping[UUID, UUID]


async def load(touch: Touch, unit: UnitOfWork, zone: ZoneInfo) -> Loaded:
    """Lock and load the groups of all touched customers; the caller holds the alias lock."""
    connection = unit.connection
    members = await _members(touch.since, connection)
    root_of = {party: root for root, ids in members.items() for party in ids}
    rules = await facts.rules(SHIPPED, unit.now, connection)
    stored = await states.lock(root_of, connection)
    names = await _names(stored, touch, connection)
    known = await _known(stored, members, names, touch, unit, zone)
    judged = {(party, kind): day for party, state in known.items() for kind, day in state.days.items()}
    since = _since(touch, names, members, root_of)
    needs = {
        root: reach(RULES, stored[root].group.checkpoints, ids, judged, since[root], zone)
        for root, ids in members.items()
    }
    found, named = await _facts(needs, members, root_of, zone, connection)
    groups = {
        root: GroupInput(
            members=tuple(known[party].party for party in ids),
            facts=found[root],
            named=named.get(root, ()),
            judged=judged,
            checkpoints=stored[root].group.checkpoints,
            since=since[root],
            seeded_until=max([rules.begun, *(until for one in ids if (until := known[one].seeded_until))]),
        )
        for root, ids in members.items()
    }
    afters = {root: _floor(group, needs[root], zone) for root, group in groups.items()}
    held = await warnings.about(list(root_of), [afters[root] for root in root_of.values()], connection)
    return Loaded(groups, needs, held, rules, stored, known, root_of)


async def _members(parties: Collection[UUID], connection: Connection) -> Members:
    groups = (await customers.groups_of(parties, connection)).values()
    return {group.root: (group.root, *sorted(group.members - {group.root}, key=_number)) for group in groups}


async def _names(stored: Mapping[UUID, PartyState], touch: Touch, connection: Connection) -> dict[UUID, Party]:
    """Names of members that are stored without one."""
    nameless = {party for party, state in stored.items() if state.party.external_id is None}
    names = {party: touch.names[party] for party in nameless & touch.names.keys()}
    rest = nameless - names.keys()
    known = await customers.known(rest, connection) if rest else {}
    return names | {party: one.party for party, one in known.items() if one.party.external_id is not None}


async def _known(
    stored: Mapping[UUID, PartyState],
    members: Members,
    names: Mapping[UUID, Party],
    touch: Touch,
    unit: UnitOfWork,
    zone: ZoneInfo,
) -> dict[UUID, PartyState]:
    groups = {root: frozenset(ids) for root, ids in members.items()}
    horizons = await horizon.load(groups.values(), unit.connection)
    known = {}
    for ids in groups.values():
        days = _days(horizons[ids], zone)
        for party in ids:
            state, until = stored[party], touch.seeded.get(party)
            known[party] = replace(
                state,
                party=names.get(party, state.party),
                days={
                    kind: day for kind in KINDS if (day := ratchet(state.days.get(kind), days[kind], unit.now, zone))
                },
                seeded_until=max(filter(None, (state.seeded_until, until)), default=None),
            )
    return known


def _days(until: Horizon, zone: ZoneInfo) -> dict[str, date | None]:
    """The last seller's day that lies wholly before each instant."""
    return {kind: None if (at := until.until[kind]) is None else day_of(at, zone) - _ONE_DAY for kind in KINDS}


def _since(
    touch: Touch, names: Mapping[UUID, Party], members: Members, root_of: Mapping[UUID, UUID]
) -> dict[UUID, datetime | None]:
    """Per group. Who gets a name now is judged from scratch, so that it stands in all warnings about him."""
    renamed = {root_of[party] for party in names}
    return {
        root: EVER if root in renamed else min((at for one in ids if (at := touch.since.get(one))), default=None)
        for root, ids in members.items()
    }


async def _facts(
    needs: Mapping[UUID, Need],
    members: Members,
    root_of: Mapping[UUID, UUID],
    zone: ZoneInfo,
    connection: Connection,
) -> tuple[dict[UUID, list[Fact]], dict[UUID, list[Fact]]]:
    """By root: the facts that are needed, and those of further invoices which payments among them name."""
    found = _by_root(await facts.later_than(needs, members, zone, connection), root_of)
    wanted = {key for mine in found.values() for key in named_invoices(mine)}
    there = {fact.key for mine in found.values() for fact in mine} if wanted else set()
    named = _by_root(await facts.of_invoices(wanted - there, zone, connection), root_of)
    return {root: found.get(root, []) for root in members}, named


def _by_root(found: Iterable[Fact], root_of: Mapping[UUID, UUID]) -> dict[UUID, list[Fact]]:
    mine: dict[UUID, list[Fact]] = {}
    for fact in found:
        root = root_of.get(fact.party) if fact.party is not None else None
        if root is not None:
            mine.setdefault(root, []).append(fact)
    return mine


def _floor(group: GroupInput, need: Need, zone: ZoneInfo) -> datetime:
    """Warnings that ended before stand as they are."""
    cuts = [one.cut for one in group.checkpoints.values() if one.cut is not None]
    if need.mode == "all" or len(cuts) < len(RULES):
        return EVER
    return start_of(min(cuts) + _ONE_DAY, zone)
