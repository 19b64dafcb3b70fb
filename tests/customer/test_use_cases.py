"""Registering, linking and naming at once, in units of work of their own."""

import asyncio
from typing import Any

from services.customer import use_cases
from services.customer.domain import Registration
from shared.errors import ForewarnError
from shared.events import CustomerLink
from shared.messaging import customers as known_customers
from tests.support import builders as build
from tests.support.builders import party
from tests.support.service import Served

WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from "
WAITING += "pg_database where datname = current_database())"


async def register(customers: Served, *names: str) -> str:
    """Register a customer under several names; the code of the refusal, else what became of him."""
    async with customers.context.database.unit_of_work() as unit:
        sent = Registration(tuple(party(name) for name in names), "百川商贸", None)
        [result] = await use_cases.register([sent], unit)
    return result.code if isinstance(result, ForewarnError) else result.status


async def waits(customers: Served, task: "asyncio.Task[Any]") -> bool:
    """Whether the task comes to wait for groups that somebody else holds; False if it ends instead."""
    pool = await customers.context.database.pool()
    while not task.done():
        if await pool.fetchval(WAITING):
            return True
        await asyncio.sleep(0.01)
    return False


class TestRegister:
    async def test_two_at_once_do_not_both_get_the_same_further_name(self, customers: Served) -> None:
        """INVARIANT: whoever registers is alone with all groups.

        Broken, both find the name free, and two customers are merged whom nobody linked.
        """
        results = await asyncio.gather(*(register(customers, f"A{number}", "C2") for number in range(8)))
        assert sorted(results) == ["accepted", *["external_id_taken"] * 7]

    async def test_chains_of_links_made_at_once_are_one_group(self, customers: Served) -> None:
        async def link(survivor: str, absorbed: str) -> None:
            async with customers.context.database.unit_of_work() as unit:
                await use_cases.link(party(survivor), party(absorbed), unit)

        await asyncio.gather(*(link(f"C{number}", f"C{number + 1}") for number in range(8)))
        async with customers.context.database.unit_of_work() as unit:
            groups = await known_customers.groups_of([party("C8").id], unit.connection)
        assert groups[party("C8").id].root == party("C0").id


class TestRegisterUnconfirmed:
    async def test_strangers_wait_for_who_registers(self, customers: Served) -> None:
        """INVARIANT: what a registration has read still holds when it writes; nobody is added in between."""
        async with customers.context.database.unit_of_work() as unit:
            await known_customers.lock_alone(unit.connection)
            taking = asyncio.create_task(customers.take(build.order()))
            assert await waits(customers, taking)
        await taking
        assert len(await customers.published()) == 1

    async def test_documents_of_known_customers_wait_for_nobody(self, customers: Served) -> None:
        """INVARIANT: somebody who links customers never holds up the documents of the whole installation."""
        await customers.take(build.order())
        async with customers.context.database.unit_of_work() as unit:
            await known_customers.lock_alone(unit.connection)
            taking = asyncio.create_task(customers.take(build.order("O2")))
            assert not await waits(customers, taking)
        await taking


class TestUnlink:
    async def test_parts_of_a_group_are_groups_at_once(self, customers: Served) -> None:
        async with customers.context.database.unit_of_work() as unit:
            first = await use_cases.link(party("C1"), party("C2"), unit)
            await use_cases.link(party("C2"), party("C3"), unit)
        assert isinstance(first.stored.document, CustomerLink)
        async with customers.context.database.unit_of_work() as unit:
            await use_cases.unlink(first.stored.id, unit)
            groups = await known_customers.groups_of([party("C1").id, party("C3").id], unit.connection)
        assert groups[party("C1").id].members == {party("C1").id}
        assert groups[party("C3").id].root == party("C2").id
