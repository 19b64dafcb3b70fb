"""Rows for the bus: one per addressee, or one per partition, in the transaction of the document."""

import pytest

from shared.errors import TooLarge
from shared.events import PARTITIONS, cloudevents
from shared.messaging import outbox, sources
from shared.messaging.outbox import Outgoing
from shared.messaging.partitions import partition_of
from tests.support.builders import order, party
from tests.support.service import event_of
from tests.support.stage import Stage


class TestAppend:
    async def test_each_addressee_gets_a_row_in_the_partition_of_his_key(self, stage: Stage) -> None:
        await stage.accept(order(bill_to=party("C2")))
        rows = await stage.rows(stage.producer, "select key, part from outbox where key is not null")
        assert {row["key"]: row["part"] for row in rows} == {
            each.id: partition_of(str(each.id).encode(), PARTITIONS) for each in (party("C1"), party("C2"))
        }

    async def test_the_copy_names_its_addressee_and_nothing_else_differs(self, stage: Stage) -> None:
        await stage.accept(order(bill_to=party("C2")))
        first, second = [event for event in await stage.outbox() if event.kind == "order"]
        assert {first.party, second.party} == {party("C1").id, party("C2").id}
        assert (first.id, first.version, first.data) == (second.id, second.version, second.data)

    async def test_a_document_that_names_nobody_gets_one_row_per_partition(self, stage: Stage) -> None:
        """INVARIANT: a beat lies in every partition, behind the documents it covers there.

        Broken, customers of the other partitions are never judged, or judged by a promise about somebody else's.
        """
        async with stage.producer.database.unit_of_work() as unit:
            await sources.declare(stage.store, unit, source="erp", of="order", coverage="all", rhythm_hours=24)
        rows = await stage.rows(stage.producer, "select part, key from outbox order by part")
        assert [(row["part"], row["key"]) for row in rows] == [(part, None) for part in range(PARTITIONS)]

    async def test_what_the_broker_would_refuse_is_refused_before_anything_is_written(self, stage: Stage) -> None:
        """INVARIANT: no row is larger than the broker takes. Broken, its partition stands still for ever."""
        small, large = event_of(order()), event_of(order(seller_entity="x" * outbox.MAX_PAYLOAD))
        async with stage.producer.database.unit_of_work() as unit:
            with pytest.raises(TooLarge):
                await outbox.append([Outgoing(small, [party().id]), Outgoing(large, [party().id])], unit)
        assert await stage.outbox() == []

    async def test_the_relay_is_woken_once_the_rows_are_durable(self, stage: Stage) -> None:
        async with stage.producer.database.unit_of_work() as unit:
            await outbox.append([Outgoing(event_of(order()), [party().id])], unit)
            assert unit.channels == {outbox.CHANNEL}

    async def test_without_rows_nobody_is_woken(self, stage: Stage) -> None:
        async with stage.producer.database.unit_of_work() as unit:
            await outbox.append([], unit)
            assert unit.channels == set()

    async def test_attributes_come_back_as_written(self, stage: Stage) -> None:
        event = event_of(order())
        async with stage.producer.database.unit_of_work() as unit:
            await outbox.append([Outgoing(event, [party().id])], unit)
        [row] = await stage.rows(stage.producer, "select * from outbox")
        read = cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"])
        assert (read.id, read.version, read.data, read.party) == (event.id, event.version, event.data, party().id)
