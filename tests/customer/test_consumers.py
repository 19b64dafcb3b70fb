"""Whoever documents name is registered, unconfirmed, once, whatever the order and however often they come."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest

from shared.events import Customer, Party
from shared.events.document import Document, Event
from shared.messaging.projection import BadSnapshot, decode
from tests.support import builders as build
from tests.support.builders import day, party
from tests.support.service import Served, event_of


def copies(document: Document, at: float = 0, *, also: Sequence[Party] = ()) -> list[Event]:
    """One copy of an event for each party its snapshot names, and for those whom the one before named."""
    event = msgspec.structs.replace(event_of(document), recorded_at=day(at))
    return [msgspec.structs.replace(event, party=one.id) for one in (*document.parties(), *also)]


async def unconfirmed(customers: Served) -> list[dict[str, Any]]:
    return list((await customers.get("/v1/customers?confirmed=false&limit=500")).json()["items"])


async def names(customers: Served) -> list[str]:
    return sorted(item["external_id"] for item in await unconfirmed(customers))


async def facts_of(customers: Served) -> set[bytes]:
    """What `facts-hash` compares."""
    pool = await customers.context.database.pool()
    rows = await pool.fetch("select data from document where kind = 'customer'")
    return {decode(Customer.kind, row["data"]).canonical() for row in rows}


class TestNamed:
    async def test_buyer_and_payer_become_customers(self, customers: Served) -> None:
        await customers.handle(copies(build.order(customer="C1", bill_to=party("C2"))))
        assert await names(customers) == ["C1", "C2"]

    async def test_he_is_registered_as_of_the_first_document_that_names_him(self, customers: Served) -> None:
        await customers.handle(copies(build.order("O2"), at=2) + copies(build.invoice(), at=1))
        await customers.handle(copies(build.payment(), at=0))
        [found] = await unconfirmed(customers)
        assert datetime.fromisoformat(found["registered_at"]) == day(1)

    async def test_he_has_neither_name_nor_owner(self, customers: Served) -> None:
        await customers.handle(copies(build.order()))
        [found] = await unconfirmed(customers)
        assert (found["company_name"], found["owner"], found["confirmed"]) == (None, None, False)

    async def test_whoever_has_no_external_id_is_not_made_up(self, customers: Served) -> None:
        await customers.handle(copies(build.order(party=Party(id=build.party().id))))
        assert await names(customers) == []

    async def test_a_copy_for_the_customer_before_names_nobody_new(self, customers: Served) -> None:
        await customers.handle(copies(build.order(customer="C1"), also=[party("C2")]))
        assert await names(customers) == ["C1"]

    async def test_a_beat_names_nobody(self, customers: Served) -> None:
        [event] = copies(build.order())
        await customers.handle([msgspec.structs.replace(event, kind="beat", party=None, data=b"?")])
        assert await names(customers) == []

    async def test_what_names_a_stranger_and_cannot_be_read_is_not_passed_over(self, customers: Served) -> None:
        [event] = copies(build.order())
        with pytest.raises(BadSnapshot):
            await customers.handle([msgspec.structs.replace(event, data=b"?")])

    async def test_of_documents_of_known_customers_nothing_is_read(self, customers: Served) -> None:
        """INVARIANT: this runs for every document of the installation; a batch of known customers is one look-up."""
        await customers.handle(copies(build.order(customer="C1")))
        [event] = copies(build.order("O2", "C1"))
        unreadable = msgspec.structs.replace(event, data=b"?")
        await customers.handle([unreadable])
        await customers.handle([unreadable, *copies(build.order("O3", "C2"))])
        assert await names(customers) == ["C1", "C2"]


class TestConfirmed:
    async def test_he_stays_as_he_was_registered(self, customers: Served) -> None:
        body = {"external_ids": [{"source": "erp", "external_id": "C1"}], "company_name": "百川商贸"}
        await customers.post("/v1/customers", body)
        await customers.handle(copies(build.order()))
        assert await names(customers) == []
        assert len(await customers.published()) == 1


class TestOrderOfArrival:
    def _events(self) -> list[Event]:
        orders = [build.order(f"O{n}", f"C{n % 7}", bill_to=party(f"B{n % 3}")) for n in range(30)]
        payments = [build.payment(f"P{n}", f"C{n % 11}") for n in range(30)]
        return [event for number, document in enumerate([*orders, *payments]) for event in copies(document, number)]

    @pytest.mark.parametrize("seed", range(4))
    async def test_disorder_repetition_and_batches_change_nothing(self, customers: Served, seed: int) -> None:
        """INVARIANT: who is an unconfirmed customer is a function of the documents; else two runs would differ."""
        chance = random.Random(seed)
        events = self._events()
        shuffled = [*events, *chance.sample(events, 20)]
        chance.shuffle(shuffled)
        while shuffled:
            size = chance.randint(1, 25)
            await customers.handle(shuffled[:size])
            del shuffled[:size]
        expected = [*(f"C{n}" for n in range(11)), *(f"B{n}" for n in range(3))]
        assert await facts_of(customers) == {build.customer(name, confirmed=False).canonical() for name in expected}

    async def test_linking_before_or_after_gives_the_same_customers(self, customers: Served) -> None:
        body = {name: {"source": "erp", "external_id": id_} for name, id_ in (("survivor", "C1"), ("absorbed", "C2"))}
        await customers.post("/v1/customer-links", body)
        await customers.handle(copies(build.order(customer="C3")))
        before = await facts_of(customers)
        await customers.handle(copies(build.order(customer="C1", bill_to=party("C2"))))
        assert await facts_of(customers) == before
        assert await names(customers) == ["C1", "C3"]

    async def test_two_members_at_once_register_each_once(self, customers: Served) -> None:
        """INVARIANT: members meet in one document per customer, and neither waits for the other for ever."""
        events = [event for n in range(60) for event in copies(build.order(f"O{n}", f"C{n}", bill_to=party(f"B{n}")))]
        await asyncio.gather(*(customers.handle(events if member % 2 else events[::-1]) for member in range(6)))
        assert len(await names(customers)) == 120
        assert len(await customers.published()) == 120
