"""What judging is handed: the groups of touched customers, locked, with horizon, checkpoints, facts and warnings."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

ALL: Final = Need("all")

_ONE_DAY: Final = timedelta(days=1)
_number = attrgetter("int")


@dataclass(slots=True, eq=False)
class Group:
    """One group on its way through a pass. Sequences go in the order of its members, root first."""

    stored: tuple[PartyState, ...]
    """As it was found."""
    states: tuple[PartyState, ...] = ()
    """With what is known now: names, J, the end of imported history."""
    since: datetime | None = None
    need: Need = ALL
    facts: list[Fact] = field(default_factory=list)
    named: list[Fact] = field(default_factory=list)
    warnings: list[HeldWarning] = field(default_factory=list)

    @property
    def ids(self) -> tuple[UUID, ...]:
        return tuple(state.party.id for state in self.stored)

    @property
    def judged(self) -> dict[tuple[UUID, str], date]:
        return {(state.party.id, kind): day for state in self.states for kind, day in state.days.items()}

    def input(self, begun: datetime) -> GroupInput:
        """As the domain takes it; `begun`: when the rules were first put to work."""
        return GroupInput(
            members=tuple(state.party for state in self.states),
            facts=self.facts,
            named=self.named,
            judged=self.judged,
            checkpoints=self.stored[0].group.checkpoints,
            since=self.since,
            seeded_until=max([begun, *(state.seeded_until for state in self.states if state.seeded_until)]),
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything one pass works with."""

    groups: Sequence[Group]
    group_of: Mapping[UUID, Group]
    """By member."""
    rules: Rules


async def load(touch: Touch, unit: UnitOfWork, zone: ZoneInfo) -> Loaded:
    """Lock and load the groups of all touched customers; the caller holds the alias lock."""
    connection = unit.connection
    rules = await facts.rules(SHIPPED, unit.now, connection)
    groups = await _locked(touch.since, connection)
    group_of = {state.party.id: group for group in groups for state in group.stored}
    names = await _names(group_of, touch, connection)
    horizons = await horizon.load([frozenset(group.ids) for group in groups], connection)
    for group in groups:
        _inform(group, names, touch, _days(horizons[frozenset(group.ids)], zone), unit.now, zone)
        group.need = reach(RULES, group.stored[0].group.checkpoints, group.ids, group.judged, group.since, zone)
    await _load_facts(groups, group_of, zone, connection)
    await _load_warnings(groups, group_of, zone, connection)
    return Loaded(groups, group_of, rules)


async def _locked(parties: Collection[UUID], connection: Connection) -> list[Group]:
    found = {group.root: group for group in (await customers.groups_of(parties, connection)).values()}
    members = [(root, *sorted(group.members - {root}, key=_number)) for root, group in found.items()]
    stored = await states.lock([party for ids in members for party in ids], connection)
    return [Group(tuple(stored[party] for party in ids)) for ids in members]


async def _names(group_of: Mapping[UUID, Group], touch: Touch, connection: Connection) -> dict[UUID, Party]:
    """Names of members that are stored without one."""
    nameless = {
        state.party.id for group in group_of.values() for state in group.stored if state.party.external_id is None
    }
    names = {party: touch.names[party] for party in nameless & touch.names.keys()}
    rest = nameless - names.keys()
    known = await customers.known(rest, connection) if rest else {}
    return names | {party: one.party for party, one in known.items() if one.party.external_id is not None}


def _inform(
    group: Group,
    names: Mapping[UUID, Party],
    touch: Touch,
    days: Mapping[str, date | None],
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Add what is known now. Who gets a name now is judged from scratch, so that it stands in all his warnings."""
    informed, sinces = [], []
    for state in group.stored:
        id_ = state.party.id
        judged = {kind: day for kind in KINDS if (day := ratchet(state.days.get(kind), days[kind], now, zone))}
        until = touch.seeded.get(id_) if touch.seeded else None
        name = names.get(id_) if names else None
        if name is not None:
            sinces.append(EVER)
        elif (since := touch.since.get(id_)) is not None:
            sinces.append(since)
        if judged != state.days or until or name:
            seeded = max(filter(None, (state.seeded_until, until)), default=None)
            state = replace(state, party=name or state.party, days=judged, seeded_until=seeded)
        informed.append(state)
    group.states, group.since = tuple(informed), min(sinces, default=None)


def _days(found: Horizon, zone: ZoneInfo) -> dict[str, date | None]:
    """The last seller's day that lies wholly before each instant."""
    return {kind: None if (at := found.until[kind]) is None else day_of(at, zone) - _ONE_DAY for kind in KINDS}


async def _load_facts(
    groups: Iterable[Group], group_of: Mapping[UUID, Group], zone: ZoneInfo, connection: Connection
) -> None:
    """The facts that are needed, and those of further invoices which payments among them name."""
    asked = [(state.party.id, group.need) for group in groups for state in group.stored]
    there = set()
    for fact in await facts.later_than(asked, zone, connection):
        if (group := group_of.get(fact.party)) is not None:  # type: ignore[arg-type]
            group.facts.append(fact)
            there.add(fact.key)
    wanted = {key for group in groups for key in named_invoices(group.facts)} - there
    for fact in await facts.of_invoices(wanted, zone, connection):
        if (group := group_of.get(fact.party)) is not None:  # type: ignore[arg-type]
            group.named.append(fact)


async def _load_warnings(
    groups: Iterable[Group], group_of: Mapping[UUID, Group], zone: ZoneInfo, connection: Connection
) -> None:
    """Warnings about the members; those about members of several groups lie with the first."""
    asked = [(state.party.id, after) for group in groups for after in (_floor(group, zone),) for state in group.stored]
    for warning in await warnings.about(asked, connection):
        group = next(found for member in warning.members if (found := group_of.get(member.id)) is not None)
        group.warnings.append(warning)


def _floor(group: Group, zone: ZoneInfo) -> datetime:
    """Warnings that ended before stand as they are."""
    cuts = [one.cut for one in group.stored[0].group.checkpoints.values() if one.cut is not None]
    if group.need.mode == "all" or len(cuts) < len(RULES):
        return EVER
    return start_of(min(cuts) + _ONE_DAY, zone)
