"""A story of a producer that falls back to a backup and a consumer that is emptied: chance says when, and who speaks.

What has to be so is looked at after every step of the consumer; at the end, confirmed, both sides hold the same.
"""

import random
from typing import Any, Final

from shared.database.unit_of_work import UnitOfWork
from shared.events import PARTITIONS, Event, Order, cloudevents
from shared.messaging import facts, incarnation, markers, rebuild, republication
from shared.messaging.bus import BusConsumer, Message
from shared.messaging.consumer import Consumer, CursorMoved
from shared.messaging.partitions import partition_of
from shared.messaging.relay import Relay
from tests.shared.messaging.safeguards.oracle import Red
from tests.shared.messaging.safeguards.truth import CUSTOMERS
from tests.support.builders import draft, order
from tests.support.stage import TOPIC, Stage, hold

ACTS: Final = 60
ROUNDS: Final = 40

_TABLES: Final = ("document", "outbox", "incarnation", "republication")
_HELD: Final = "select id, key, live from held_document where kind = 'order'"


class Lives:
    """Everybody who acts; one backup is taken and put back, one rebuild begun."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self._rng = random.Random(seed)
        self._relay = Relay(stage.producer, stage.bus, quota=4)
        self._said: dict[str, tuple[int, Order]] = {}
        self._former: list[Event] = []
        self._looked = self._confirmed = False
        self._member: BusConsumer | None = None
        self._consumer = Consumer(stage.consumer, stage.bus, ["orders"], hold)
        self._live: set[str] = set()
        self._owed: set[Any] = set()

    async def run(self) -> None:
        """Raises `Red` if anything is not as it has to be."""
        await incarnation.recognise(self.stage.producer, self.stage.bus)
        self._looked = True
        acts = (
            [self.place] * 6
            + [self.again] * 4
            + [self.relay] * 6
            + [self.work] * 3
            + [self.consume] * 4
            + [self.rewind]
        )
        befalls = {
            self._rng.randint(0, 10): self.republish,
            self._rng.randint(11, 20): self.save,
            self._rng.randint(25, 40): self.fall_back,
            self._rng.randint(41, 59): self.empty,
        }
        for moment in range(ACTS):
            await befalls.get(moment, self._rng.choice(acts))()
        await self._drain()
        await self._ask_again()
        if await self._waits_for_a_person():
            await self._confirm()
        await self._look_at_the_end()

    async def place(self) -> None:
        """A new order, or another version of one."""
        number = f"O{self._rng.randint(1, 20)}"
        said = self._said.get(number, (0, None))[0] + 1
        document = order(number, self._rng.choice(CUSTOMERS), amount=self._rng.randint(1, 999))
        self._said[number] = (said, document)
        await self._accept(said, document)

    async def again(self) -> None:
        """A source sends what it has said last, whether or not it is known."""
        if self._said:
            await self._accept(*self._said[self._rng.choice(sorted(self._said))])

    async def relay(self) -> None:
        """A pass of the relay, which looks before its first."""
        if not self._looked:
            await incarnation.recognise(self.stage.producer, self.stage.bus)
            self._looked = True
        async with self.stage.session(self.stage.producer) as connection:
            await self._relay.send_present(connection)

    async def work(self) -> bool:
        """A piece of a republication."""
        return await republication.work(self.stage.store, self.stage.producer)

    async def consume(self) -> int:
        """One batch of a new member."""
        if self._member is None:
            self._consumer = Consumer(self.stage.consumer, self.stage.bus, ["orders"], hold)
            self._member = await self.stage.bus.consumer("forewarn.alerting", [TOPIC])
        try:
            taken = await self._consumer.step(self._member, timeout=0)
        except CursorMoved:
            await self._leave()
            return 1
        await self._look()
        return taken

    async def republish(self) -> None:
        """An operator has everything sent again, or the markers only."""
        async with self.stage.producer.database.unit_of_work() as unit:
            await republication.request(unit, whole=self._rng.random() < 0.5)

    async def save(self) -> None:
        """The backup."""
        for table in _TABLES:
            await self._execute(f"create table saved_{table} as select * from {table}")

    async def fall_back(self) -> None:
        """Put the backup back; some rows of the former life are still under way."""
        self._looked = False
        self._former = [event for event in await self.stage.outbox() if event.party is not None]
        for table in _TABLES:
            await self._execute(f"truncate {table}")
            await self._execute(f"insert into {table} overriding system value select * from saved_{table}")
        self._owed.clear()

    async def empty(self) -> None:
        """A rebuild begins."""
        await self.relay()
        whole = self._rng.random() < 0.5
        async with self.stage.consumer.database.unit_of_work() as unit:
            await rebuild.hold(unit)
            held = {row["id"] for row in await unit.connection.fetch(_HELD)}
            bounds = await self.stage.bus.bounds([TOPIC])
            async with self.stage.producer.database.unit_of_work() as asking:
                name = await republication.request(asking, whole=whole)
                known = {row["id"] for row in await asking.connection.fetch("select id from document")}
            starts = {where: found.next if whole else 0 for where, found in bounds.items()}
            await rebuild.empty(starts, {"orders": name}, _forget, unit)
        self._owed = held & known
        self._live.clear()

    async def rewind(self) -> None:
        """A partition is read again from the start."""
        await self._at_consumer("update cursor set next_offset = 0 where part = $1", self._rng.randrange(PARTITIONS))

    async def close(self) -> None:
        """Leave nothing behind."""
        await self._leave()
        await self._relay.drop_producer()
        for table in _TABLES:
            await self._execute(f"drop table if exists saved_{table}")

    async def _leave(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            await member.close()

    async def _accept(self, number: int, document: Order) -> None:
        async with self.stage.producer.database.unit_of_work() as unit:
            await self.stage.store.accept([draft(document, number)], unit)

    async def _drain(self) -> None:
        for _ in range(ROUNDS):
            await self.relay()
            busy = await self.work()
            while await self.consume():
                pass
            if not busy and not await self.stage.outbox():
                return
        raise Red("no end: something is still to be sent")

    async def _ask_again(self) -> None:
        """What a rebuild waits for may have been asked of the life that is over."""
        async with self.stage.consumer.database.unit_of_work() as unit:
            closed = await markers.closed(unit.connection)
        if closed:
            async with self.stage.producer.database.unit_of_work() as unit:
                await republication.request(unit)
            await self._drain()

    async def _waits_for_a_person(self) -> bool:
        async with self.stage.producer.database.unit_of_work() as unit:
            return await republication.unconfirmed(unit.connection)

    async def _confirm(self) -> None:
        """A forgotten relay speaks before and after a person has given up what is lost."""
        await self._speak(self._former[::2])
        self._confirmed = True
        async with self.stage.producer.database.unit_of_work() as unit:
            await republication.confirm(self.stage.store, unit)
        await self._drain()
        await self._speak(self._former)

    async def _speak(self, events: list[Event]) -> None:
        for event in events:
            part = partition_of(str(event.party).encode(), PARTITIONS)
            await self.stage.append(part, Message(cloudevents.key(event), event.data, cloudevents.headers(event)))
        while await self.consume():
            pass

    async def _look(self) -> None:
        async with self.stage.consumer.database.unit_of_work() as unit:
            rows = await unit.connection.fetch(_HELD)
            closed = await markers.closed(unit.connection)
        live = [row["key"] for row in rows if row["live"]]
        if len(live) > len(set(live)):
            raise Red("a document counts twice")
        if not self._confirmed and not self._live <= set(live):
            raise Red("a document disappeared, and nobody has given it up")
        self._live = set(live)
        missing = self._owed - {row["id"] for row in rows}
        if not closed and missing:
            raise Red(f"the gate is open and {len(missing)} documents are not there")
        self._owed = missing

    async def _look_at_the_end(self) -> None:
        async with self.stage.producer.database.unit_of_work() as unit:
            produced = await facts.tally("document", ["order"], unit.connection)
        async with self.stage.consumer.database.unit_of_work() as unit:
            held = await facts.tally("held_document", ["order"], unit.connection)
            closed = await markers.closed(unit.connection)
        if closed:
            raise Red("no end: a gate is closed")
        if held != produced:
            raise Red(f"held: {len(set(held) ^ set(produced))} tallies differ")

    async def _execute(self, statement: str) -> None:
        async with self.stage.producer.database.unit_of_work() as unit:
            await unit.connection.execute(statement)

    async def _at_consumer(self, statement: str, *arguments: Any) -> None:
        async with self.stage.consumer.database.unit_of_work() as unit:
            await unit.connection.execute(statement, *arguments)


async def _forget(unit: UnitOfWork) -> None:
    await unit.connection.execute("truncate turnover")
