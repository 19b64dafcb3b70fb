"""Customers as every service knows them: groups by links, names and owners, and who sees whom."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

import pytest

from services.customer.tables import METADATA
from shared.clock import SystemClock
from shared.database.database import Database
from shared.events import Customer, CustomerLink, Party
from shared.events.document import Event
from shared.ids import Uuid7Ids
from shared.messaging import customers, projection
from shared.messaging.customers import Group, Known
from shared.messaging.document_store import DocumentStore, Draft
from shared.messaging.projection import Change
from tests.support import builders as build
from tests.support.builders import party
from tests.support.schema import create_tables
from tests.support.service import event_of

NAMES = [f"C{number}" for number in range(9)]
PARTIES = [party(name).id for name in NAMES]

Pair = tuple[str, str]


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    await create_tables(database_dsn, METADATA)
    database = Database(database_dsn, clock=SystemClock(), ids=Uuid7Ids())
    yield database
    await database.close()


class Links:
    """Events of links and customers, each document with its own id and ascending revisions."""

    def __init__(self) -> None:
        self._ids: dict[str, UUID] = {}
        self._revisions: dict[str, int] = {}

    def event(self, document: Customer | CustomerLink) -> Event:
        key = document.natural_key
        self._revisions[key] = self._revisions.get(key, 0) + 1
        id_ = self._ids.setdefault(key, Uuid7Ids().new())
        return event_of(document, id_=id_, revision=self._revisions[key])

    def linked(self, pair: Pair, live: bool = True) -> Event:
        return self.event(build.link(*pair, live=live))


async def take(database: Database, events: Sequence[Event]) -> frozenset[UUID]:
    """Apply events as a consumer does."""
    async with database.unit_of_work() as unit:
        await customers.lock(events, unit.connection)
        changes = await projection.apply(events, unit.connection)
        return await customers.apply(changes, unit.connection)


async def groups(database: Database, parties: Iterable[UUID] = PARTIES) -> dict[UUID, Group]:
    async with database.unit_of_work() as unit:
        return await customers.groups_of(set(parties), unit.connection)


async def known(database: Database, *names: str) -> dict[str, Known]:
    async with database.unit_of_work() as unit:
        found = await customers.known([party(name).id for name in names], unit.connection)
    return {name: found[party(name).id] for name in names if party(name).id in found}


async def sees(database: Database, owner: str) -> set[str]:
    async with database.unit_of_work() as unit:
        return {name for name in NAMES if await customers.sees(owner, [party(name).id], unit.connection)}


def expected(links: Iterable[Pair]) -> dict[UUID, Group]:
    """Groups by union-find; the root is the lowest id of those nobody absorbs, if there are any."""
    pairs = [(party(survivor).id, party(absorbed).id) for survivor, absorbed in links]
    sets = {one: frozenset({one}) for one in PARTIES}
    for survivor, absorbed in pairs:
        united = sets[survivor] | sets[absorbed]
        sets |= dict.fromkeys(united, united)
    free = set(PARTIES) - {absorbed for _, absorbed in pairs}
    return {one: Group(min(members & free or members), members) for one, members in sets.items()}


def names_of(found: Mapping[UUID, Group]) -> dict[str, str]:
    """Root of each party, by names."""
    by_id = dict(zip(PARTIES, NAMES, strict=True))
    return {by_id[one]: by_id[group.root] for one, group in found.items()}


class TestGroups:
    async def test_a_party_without_links_is_a_group_of_his_own(self, database: Database) -> None:
        assert await groups(database) == expected([])

    async def test_the_root_is_the_one_nobody_absorbs(self, database: Database) -> None:
        """INVARIANT: the root names the group; broken, a warning of the group would change its customer by itself."""
        links = Links()
        await take(database, [links.linked(("C2", "C1")), links.linked(("C3", "C2"))])
        found = names_of(await groups(database))
        assert (found["C1"], found["C2"], found["C3"]) == ("C3", "C3", "C3")

    @pytest.mark.parametrize(
        "pairs",
        [[("C1", "C3"), ("C2", "C3")], [("C1", "C2"), ("C2", "C1")], [("C1", "C2"), ("C2", "C3"), ("C3", "C1")]],
        ids=["two-roots", "cycle-of-two", "cycle-of-three"],
    )
    async def test_the_lowest_id_decides_where_several_or_none_are_free(
        self, database: Database, pairs: list[Pair]
    ) -> None:
        links = Links()
        await take(database, [links.linked(pair) for pair in pairs])
        assert await groups(database) == expected(pairs)

    @pytest.mark.parametrize("seed", range(12))
    async def test_any_sequence_of_links_and_unlinks_leaves_the_groups_of_the_live_links(
        self, database: Database, seed: int
    ) -> None:
        """INVARIANT: groups are the connected parties of the live links, whatever links there were before."""
        chance, links, live = random.Random(seed), Links(), set[Pair]()
        before = expected(live)
        for _ in range(25):
            events = []
            for _ in range(chance.randint(1, 3)):
                undo = bool(live) and chance.random() < 0.45
                pair = chance.choice(sorted(live)) if undo else (chance.choice(NAMES), chance.choice(NAMES))
                (live.discard if undo else live.add)(pair)
                events.append(links.linked(pair, live=not undo))
            touched = await take(database, events)
            after = expected(live)
            assert await groups(database) == after
            assert {one for one in PARTIES if before[one] != after[one]} <= touched
            before = after

    @pytest.mark.parametrize("seed", range(6))
    async def test_order_and_repetition_of_events_change_nothing(self, database: Database, seed: int) -> None:
        """INVARIANT: groups are a function of the documents, not of their way here."""
        chance, links = random.Random(seed), Links()
        last: dict[Pair, bool] = {}
        events = []
        for _ in range(40):
            pair = (chance.choice(NAMES), chance.choice(NAMES))
            last[pair] = chance.random() < 0.5
            events.append(links.linked(pair, live=last[pair]))
        events += chance.sample(events, 15)
        chance.shuffle(events)
        while events:
            size = chance.randint(1, 6)
            await take(database, events[:size])
            del events[:size]
        assert await groups(database) == expected(pair for pair, live in last.items() if live)

    async def test_links_made_at_once_are_all_kept(self, database: Database) -> None:
        """INVARIANT: whoever changes groups is alone.

        Broken, two links of one chain are each judged without the other, and the group stays torn apart.
        """
        links, chain = Links(), list(pairwise(NAMES))
        for live in (True, False, True):
            await asyncio.gather(*(take(database, [links.linked(pair, live=live)]) for pair in chain))
            assert await groups(database) == expected(chain if live else [])

    async def test_the_producers_own_links_count_alike(self, database: Database) -> None:
        store = DocumentStore("customer")
        async with database.unit_of_work() as unit:
            drafts = [Draft(build.link(*pair), "merged", "merged", "erp") for pair in (("C1", "C2"), ("C3", "C1"))]
            stored = [outcome.stored for outcome in await store.accept(drafts, unit)]
            changes = [Change(one.id, one.document, None, one.recorded_at) for one in stored]
            await customers.apply(changes, unit.connection, side="document")
        assert await groups(database) == expected([("C1", "C2"), ("C3", "C1")])


class TestKnown:
    async def test_the_last_revision_is_what_is_known(self, database: Database) -> None:
        documents = Links()
        first = documents.event(build.customer("C1", company_name="旧名", owner="li", confirmed=False))
        second = documents.event(build.customer("C1", company_name="新名", owner="wang"))
        for events in ([second], [first], [first, second]):
            await take(database, events)
        found = await known(database, "C1", "C2")
        assert found == {"C1": Known(party("C1"), "新名", "wang", confirmed=True)}

    async def test_who_has_no_name_or_owner_goes_by_those_of_the_root(self, database: Database) -> None:
        documents = Links()
        link = documents.linked(("C1", "C2"))
        await take(
            database,
            [
                documents.event(build.customer("C1", company_name="百川商贸", owner="li")),
                documents.event(build.customer("C2", confirmed=False)),
                documents.event(build.customer("C3", company_name="本名")),
                documents.linked(("C1", "C3")),
                link,
            ],
        )
        found = await known(database, "C2", "C3")
        assert found["C2"] == Known(party("C2"), "百川商贸", "li", confirmed=False)
        assert (found["C3"].company_name, found["C3"].owner) == ("本名", "li")
        await take(database, [documents.linked(("C1", "C2"), live=False)])
        assert (await known(database, "C2"))["C2"].company_name is None

    async def test_who_is_only_linked_goes_by_the_root_too(self, database: Database) -> None:
        documents = Links()
        await take(database, [documents.event(build.customer("C1", company_name="甲")), documents.linked(("C1", "C2"))])
        found = (await known(database, "C2"))["C2"]
        assert (found.party.id, found.company_name) == (party("C2").id, "甲")

    async def test_who_was_retracted_is_not_known(self, database: Database) -> None:
        documents = Links()
        await take(database, [documents.event(build.customer("C1", owner="li"))])
        await take(database, [documents.event(build.customer("C1", owner="li", live=False))])
        assert await known(database, "C1") == {}
        assert await sees(database, "li") == set()

    async def test_who_has_no_external_id_is_known_by_ours(self, database: Database) -> None:
        own = Party(id=Uuid7Ids().new())
        await take(database, [event_of(build.customer(party=own, company_name="现金客户"))])
        async with database.unit_of_work() as unit:
            found = await customers.known([own.id], unit.connection)
        assert found[own.id].party == own


class TestSees:
    async def test_an_owner_sees_his_own_and_nobody_else(self, database: Database) -> None:
        documents = Links()
        owners = {"C1": "li", "C2": "wang", "C3": None}
        await take(database, [documents.event(build.customer(name, owner=owner)) for name, owner in owners.items()])
        assert (await sees(database, "li"), await sees(database, "chen")) == ({"C1"}, set())

    @pytest.mark.parametrize("pairs", [[("C1", "C2"), ("C2", "C3")], [("C3", "C2"), ("C2", "C1")]])
    async def test_whoever_is_linked_with_his_is_his_too(self, database: Database, pairs: list[Pair]) -> None:
        """INVARIANT: what a customer does under another name is not hidden from who looks after him."""
        documents = Links()
        await take(
            database, [documents.event(build.customer(name, owner="li" if name == "C1" else None)) for name in NAMES]
        )
        await take(database, [documents.linked(pair) for pair in pairs])
        assert await sees(database, "li") == {"C1", "C2", "C3"}
        await take(database, [documents.linked(pairs[0], live=False)])
        assert await sees(database, "li") == ({"C1"} if pairs[0][0] == "C1" else {"C1", "C2"})

    async def test_a_hand_over_takes_effect_on_the_whole_group(self, database: Database) -> None:
        documents = Links()
        await take(database, [documents.event(build.customer("C1", owner="li")), documents.linked(("C1", "C2"))])
        await take(database, [documents.event(build.customer("C1", owner="wang"))])
        assert (await sees(database, "li"), await sees(database, "wang")) == (set(), {"C1", "C2"})

    async def test_one_visible_party_of_several_is_enough(self, database: Database) -> None:
        await take(database, [event_of(build.customer("C1", owner="li"))])
        async with database.unit_of_work() as unit:
            assert await customers.sees("li", [party("C2").id, party("C1").id], unit.connection)
