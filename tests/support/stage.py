"""A producing and a consuming service, each on its own database, the embedded bus between them, driven step by step."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Column, MetaData, Table, Uuid

from shared.context import Context
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events import PARTITIONS, TOPICS, Document, Order, cloudevents
from shared.events.document import Event
from shared.ids import Uuid7Ids
from shared.messaging import dead_letters, outbox, projection
from shared.messaging.bus import Bus, BusConsumer, Message, TopicPartition
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.customers import customer_tables
from shared.messaging.document_store import DocumentStore, Outcome
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.relay import Relay
from shared.messaging.tables import consumer_tables, producer_tables
from shared.settings import Settings
from tests.support.builders import day, draft
from tests.support.schema import create_tables

PRODUCER: Final = MetaData()
producer_tables(PRODUCER)
customer_tables(PRODUCER)

CONSUMER: Final = MetaData()
consumer_tables(CONSUMER)
Table("turnover", CONSUMER, Column("party", Uuid, primary_key=True), Column("amount", BigInteger, nullable=False))

TOPIC: Final = TOPICS["orders"]

_ADD: Final = """
insert into turnover (party, amount) select * from unnest($1::uuid[], $2::bigint[])
on conflict (party) do update set amount = turnover.amount + excluded.amount
"""


@dataclass
class StoppedClock:
    """A clock that stands until it is moved."""

    at: datetime = field(default_factory=lambda: day(0))

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Databases:
    """DSNs of the three databases of a stage."""

    producer: str
    consumer: str
    bus: str

    async def make_tables(self) -> None:
        """Create everything in empty databases."""
        await create_tables(self.producer, PRODUCER)
        await create_tables(self.consumer, CONSUMER)
        bus = EmbeddedBus(self.bus)
        await bus.create_topics({TOPIC: PARTITIONS})
        await bus.close()

    async def clear(self) -> None:
        """Make them as they were when the tables were new."""
        for dsn, metadata in ((self.producer, PRODUCER), (self.consumer, CONSUMER)):
            names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
            await _execute(dsn, f"truncate {names} restart identity")
        await _execute(self.bus, "truncate log, committed, consumer_group; update partition set next_offset = 0")


class Stage:
    """Orders on one side, somebody who holds them on the other. `ids` and revisions are real, the clock stands."""

    def __init__(self, databases: Databases, *, consumer_batch: int = 2000) -> None:
        self.databases = databases
        self.clock = StoppedClock()
        self.ids = Uuid7Ids()
        self.settings = Settings(consumer_batch=consumer_batch)
        self.bus: Bus = EmbeddedBus(databases.bus)
        self.store = DocumentStore("orders")
        self.producer = self._context("orders", databases.producer)
        self.consumer = self._context("alerting", databases.consumer)

    async def accept(self, *documents: Document, source_revision: int | None = None) -> list[Outcome]:
        """Take documents as facts, in one unit of work."""
        async with self.producer.database.unit_of_work() as unit:
            return await self.store.accept([draft(document, source_revision) for document in documents], unit)

    async def relay(self, relay: Relay | None = None) -> None:
        """Send everything that waits."""
        used = relay or Relay(self.producer, self.bus)
        async with self.session(self.producer) as connection:
            try:
                while await connection.fetchval("select exists (select from outbox)"):
                    await used.send_present(connection)
            finally:
                await used.drop_producer()

    async def consume(self, handler: Handler | None = None, *, bus: Bus | None = None) -> Consumer:
        """Apply everything that is in the log, by a new member of the group."""
        consumer = Consumer(self.consumer, bus or self.bus, ["orders"], handler or hold)
        async with self.member(bus) as member:
            while await consumer.step(member, timeout=0):
                pass
        return consumer

    async def pass_on(self, *documents: Document, source_revision: int | None = None) -> list[Outcome]:
        """Accept documents, send them and apply them."""
        outcomes = await self.accept(*documents, source_revision=source_revision)
        await self.relay()
        await self.consume()
        return outcomes

    @asynccontextmanager
    async def member(self, bus: Bus | None = None) -> AsyncIterator[BusConsumer]:
        """A member of the consumer's group."""
        member = await (bus or self.bus).consumer("forewarn.alerting", [TOPIC])
        try:
            yield member
        finally:
            await member.close()

    @asynccontextmanager
    async def session(self, context: Context) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection of its own to a service's database."""
        connection = await asyncpg.connect(context.database.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, context: Context, query: str, *arguments: Any) -> list[Any]:
        """What a query finds."""
        async with context.database.unit_of_work() as unit:
            return list(await unit.connection.fetch(query, *arguments))

    async def outbox(self) -> list[Event]:
        """What waits for the bus, in id order."""
        rows = await self.rows(self.producer, "select * from outbox order by id")
        return [cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"]) for row in rows]

    async def held(self, kind: str = Order.kind) -> dict[str, Document]:
        """What the consumer holds of a kind, by natural key."""
        rows = await self.rows(self.consumer, "select kind, data from held_document where kind = $1", kind)
        documents = [projection.decode(row["kind"], row["data"]) for row in rows]
        return {document.natural_key: document for document in documents}

    async def letters(self, *, resolved: bool = False) -> Sequence[Any]:
        """Open dead letters of the consumer."""
        async with self.consumer.database.unit_of_work() as unit:
            return await dead_letters.listed(unit.connection, resolved=resolved)

    async def append(self, partition: int, *messages: Message) -> None:
        """Put records on the bus past the outbox."""
        producer = await self.bus.producer()
        await producer.send(TOPIC, partition, messages)
        await producer.close()

    async def delete_from_log(self, where: TopicPartition, first: int, last: int) -> None:
        """Lose records of the log, as no bus should."""
        condition = 'topic = (select id from topic where name = $1) and part = $2 and "offset" between $3 and $4'
        await _execute(self.databases.bus, f"delete from log where {condition}", *where, first, last)

    async def close(self) -> None:
        """Close what was opened."""
        await self.bus.close()
        await self.producer.database.close()
        await self.consumer.database.close()

    def _context(self, service: str, dsn: str) -> Context:
        database = Database(dsn, clock=self.clock, ids=self.ids)
        return Context(service=service, database=database, settings=self.settings, clock=self.clock, ids=self.ids)


async def hold(events: Sequence[Event], unit: UnitOfWork, _: Context) -> None:
    """What a consuming service does at least: hold documents, and keep a sum per customer by new minus held."""
    changes = await projection.apply(events, unit.connection)
    sums: dict[UUID, int] = defaultdict(int)
    for change in changes:
        for document, sign in ((change.document, 1), (change.previous, -1)):
            if document is not None and document.live:
                for party in document.parties():
                    sums[party.id] += sign * document.sums()[1]
    if sums:
        parties = sorted(sums)
        await unit.connection.execute(_ADD, parties, [sums[party] for party in parties])


async def _execute(dsn: str, statement: str, *arguments: Any) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()
