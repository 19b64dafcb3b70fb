"""Events as they come out of the log: revisions of one order, beats, orders that were sent; and who takes them."""

from typing import Any, Final
from uuid import UUID

import msgspec

from shared.events import PARTITIONS, Beat
from shared.events.document import Event
from shared.messaging import projection
from shared.messaging.bus import TopicPartition
from shared.messaging.partitions import partition_of
from shared.messaging.projection import Change
from tests.support.builders import day, order, party
from tests.support.service import event_of
from tests.support.stage import TOPIC, Stage

ID: Final = UUID(int=1)
OTHER: Final = UUID(int=2)

WHERE: Final = TopicPartition(TOPIC, partition_of(str(party("C1").id).encode(), PARTITIONS))
"""The partition of C1."""


def revision(number: int, /, *, id_: UUID = ID, epoch: int = 1, partition: int = 0, **fields: Any) -> Event:
    """A revision of one order, its amount the number of the revision unless told otherwise."""
    event = event_of(order(**({"amount": number} | fields)), revision=number, id_=id_, partition=partition)
    return msgspec.structs.replace(event, epoch=epoch)


def beat(number: int, /, *, partition: int = 0, epoch: int = 1, **fields: Any) -> Event:
    """A beat of one source for orders, complete until as many days as its revision."""
    values: dict[str, Any] = {"source": "erp", "of": "order", "activated_at": day(0), "complete_until": day(number)}
    event = event_of(Beat(**(values | fields)), revision=number, id_=OTHER, partition=partition)
    return msgspec.structs.replace(event, epoch=epoch)


async def apply(stage: Stage, *events: Event) -> list[Change]:
    """Hold events, in one unit of work."""
    async with stage.consumer.database.unit_of_work() as unit:
        return await projection.apply(events, unit.connection)


async def sent(stage: Stage, *numbers: str) -> None:
    """Orders of C1, one transaction each, that have left the outbox."""
    for number in numbers:
        await stage.accept(order(number))
    await stage.relay()


async def end_of_log(stage: Stage) -> int:
    """The offset that comes next in the partition of C1."""
    return (await stage.bus.bounds([TOPIC]))[WHERE].next
