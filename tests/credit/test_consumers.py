"""What the credit service keeps of others' events."""

import msgspec

from shared.events import Beat
from shared.messaging import customers
from tests.support import builders as build
from tests.support.service import Served, event_of


async def held(credit: Served) -> set[str]:
    pool = await credit.context.database.pool()
    return {row["kind"] for row in await pool.fetch("select kind from held_document")}


class TestOnEvents:
    async def test_orders_customers_and_links_are_held_and_nothing_else(self, credit: Served) -> None:
        beat = Beat(source="erp", of="order", activated_at=build.day(0))
        await credit.take(build.order(), build.returned(), build.customer(), build.link("C1", "C2"), beat)
        assert await held(credit) == {"order", "customer", "customer_link"}

    async def test_links_make_groups(self, credit: Served) -> None:
        await credit.take(build.link("C1", "C2"), build.link("C1", "C3"))
        async with credit.context.database.unit_of_work() as unit:
            groups = await customers.groups_of([build.party("C3").id], unit.connection)
        [group] = groups.values()
        assert (group.root, len(group.members)) == (build.party("C1").id, 3)

    async def test_of_two_revisions_the_higher_stands_whichever_comes_last(self, credit: Served) -> None:
        """INVARIANT: a late copy of an old revision must not bring a cancelled order back into the exposure."""
        placed = build.order()
        first = event_of(placed)
        cancelled = event_of(msgspec.structs.replace(placed, state="cancelled"), revision=2, id_=first.id)
        await credit.handle([cancelled])
        await credit.handle([first])
        pool = await credit.context.database.pool()
        assert b'"cancelled"' in await pool.fetchval("select data from held_document")
