"""A story: sources send, amend and repeat documents and beat; relays and consumers work; everything that can go wrong
does. Who steps next is drawn from the seed. What has to be so, the oracle says."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from shared.errors import Unavailable
from shared.messaging import sources
from shared.messaging.bus import BusError
from shared.messaging.document_store import Draft, Outcome
from shared.messaging.relay import Relay
from tests.shared.messaging.safeguards.faults import MARK, WRITER_KILLED, FaultyBus, Killed
from tests.shared.messaging.safeguards.parts import Parts
from tests.shared.messaging.safeguards.truth import ALL, CUSTOMERS, NAMED, Beat, Truth
from tests.shared.messaging.safeguards.worker import Worker
from tests.support.builders import day, draft, order, party
from tests.support.stage import TOPIC, Stage

ROUNDS: Final = 25
"""A story that is sound has come to its end after five."""

ZOMBIE: Final = 0.5
"""So often a second consumer works on the same partitions, as one does who has not noticed that he lost them."""

OFTEN_AMENDED: Final = 8
"""So many documents have all amendments, or none would have more than one."""


class World:
    """Everybody who acts."""

    def __init__(self, stage: Stage, seed: int, parts: Parts) -> None:
        self.stage = stage
        self.parts = parts
        self.rng = random.Random(seed)
        self.truth = Truth()
        self.store = parts.store("orders")
        self.days: dict[str, float] = dict.fromkeys((*ALL, NAMED), 0.0)
        self._numbers = 0
        self._slow: tuple[str, asyncio.Event, asyncio.Task[None]] | None = None
        zombies = ["-zombie"] if self.rng.random() < ZOMBIE else []
        self.workers = [Worker(stage, parts.consumer, self._weather(suffix), self.rng) for suffix in ("", *zombies)]
        self._sender = self._weather()
        self._relays = [parts.relay(stage.producer, self._sender, quota=6) for _ in range(2)]
        self._session: asyncpg.Connection[asyncpg.Record] | None = None

    def _weather(self, suffix: str = "") -> FaultyBus:
        return FaultyBus(self.stage.bus, self.rng, self.commit_slow, suffix)

    async def begin(self) -> None:
        """Declare the sources, so that nobody waits for their rows later."""
        self.stage.clock.at = day(1_000)
        self._session = await asyncpg.connect(self.stage.databases.producer)
        for source in (*ALL, NAMED):
            coverage: Any = "named" if source == NAMED else "all"
            async with self.stage.producer.database.unit_of_work() as unit:
                await sources.declare(self.store, unit, source=source, of="order", coverage=coverage, rhythm_hours=24)

    async def act(self) -> bool:
        """Whatever the seed says is next; returns whether the consumer's side may be another now."""
        acts: list[tuple[Callable[[], Awaitable[Any]], int]] = [
            (self.place, 6),
            (self.place_slowly, 3),
            (self.commit_slow, 2),
            (self.amend, 6),
            (self.amend_twice_at_once, 2),
            (self.repeat, 2),
            (self.beat, 4),
            (self.relay, 6),
            (self.consume, 14),
            (self.rewind, 1),
            (self.answer_letters, 1),
        ]
        [(act, _)] = self.rng.choices(acts, weights=[weight for _, weight in acts])
        await act()
        return act == self.consume

    async def place(self) -> None:
        """New documents of one source; whoever got no answer asks again."""
        await self._send([self._new(source) for source in [self._source()] for _ in range(self.rng.randint(1, 4))])

    async def place_slowly(self) -> None:
        """New documents in a transaction that has its ids and commits much later."""
        if self._slow is not None:
            return
        source, written, may_commit = self._source(), asyncio.Event(), asyncio.Event()
        sent = [self._new(source) for _ in range(5)]

        async def write() -> None:
            async with self.stage.producer.database.unit_of_work() as unit:
                outcomes = await self.store.accept(sent, unit)
                written.set()
                await may_commit.wait()
            self._learn(sent, outcomes)

        task = asyncio.create_task(write())
        await written.wait()
        self._slow = (source, may_commit, task)

    async def commit_slow(self) -> None:
        """The slow transaction comes to its end."""
        slow, self._slow = self._slow, None
        if slow is not None:
            slow[1].set()
            await slow[2]

    async def amend(self) -> None:
        """A new version of a known document: another amount, customer, payer, time or none at all."""
        if self.truth.newest:
            await self._send([self._next_version(1)])

    async def amend_twice_at_once(self) -> None:
        """Two versions on their way at the same time."""
        if self.truth.newest:
            first = self._next_version(1)
            key = first.document.natural_key
            await asyncio.gather(self._send([first]), self._send([self._next_version(2, key)]))

    async def repeat(self) -> None:
        """An old version again, as a client does that has heard no answer."""
        if self.truth.versions:
            number, document = self.rng.choice(self.truth.versions[self.rng.choice(sorted(self.truth.versions))])
            await self._send([draft(document, number)])

    async def beat(self, source: str | None = None) -> None:
        """A promise that covers everything of the source that was answered."""
        source = source or self._source()
        if self._slow is not None and self._slow[0] == source:
            return
        covered = self.truth.concerned(source)
        async with self.stage.producer.database.unit_of_work() as unit:
            until = day(self.days[source])
            await sources.advance(self.store, unit, source=source, of="order", complete_until=until)
        self.truth.beats[source].append(Beat(self.days[source], covered))

    async def relay(self) -> None:
        """One pass of one of two relays."""
        assert self._session is not None
        used: Relay = self.rng.choice(self._relays)
        try:
            await used.send_present(self._session)
        except BusError:
            await used.drop_producer()

    async def consume(self) -> None:
        """One step of one consumer."""
        await self.rng.choice(self.workers).step()

    async def rewind(self) -> None:
        """An operator has a partition read again from the start."""
        query = "update cursor set next_offset = 0 where part = $1 returning 1"
        await self.stage.rows(self.stage.consumer, query, self.rng.randrange(12))

    async def answer_letters(self) -> None:
        """A person answers what names no document, once he sees that what it was has come another way."""
        for letter in await self._rotten():
            if letter["document"] is None and await self._is_there(letter):
                query = 'update dead_letter set resolved_at = $4 where topic = $1 and part = $2 and "offset" = $3'
                place = (letter["topic"], letter["part"], letter["offset"])
                await self.stage.rows(self.stage.consumer, f"{query} returning 1", *place, day(0))

    async def end(self, look: Callable[[], Awaitable[None]]) -> bool:
        """Calm weather: everything is answered, mended, sent and applied, looked at after each step.

        False if that has no end.
        """
        for bus in (self._sender, *(worker.bus for worker in self.workers)):
            bus.calm = True
        await self.commit_slow()
        await self._beat_a_last_time()
        for _ in range(ROUNDS):
            await self.relay()
            while await self.workers[0].step():
                await look()
            await self.answer_letters()
            if await self._quiet():
                return True
            await self._mend_what_rotted()
        return False

    async def close(self) -> None:
        """Leave nothing open."""
        await self.commit_slow()
        for relay in self._relays:
            await relay.drop_producer()
        for worker in self.workers:
            await worker.drop()
        if self._session is not None:
            await self._session.close()

    async def _send(self, sent: Sequence[Draft]) -> None:
        """Accept until it is answered: a process that dies has kept nothing, and the client asks again."""
        while True:
            with contextlib.suppress(Killed, Unavailable):
                async with self.stage.producer.database.unit_of_work() as unit:
                    outcomes = await self.store.accept(sent, unit)
                    if not self._sender.calm and self.rng.random() < WRITER_KILLED:
                        raise Killed
                self._learn(sent, outcomes)
                return

    def _learn(self, sent: Sequence[Draft], outcomes: Sequence[Outcome]) -> None:
        for each, outcome in zip(sent, outcomes, strict=True):
            self.truth.learn(each, outcome)

    def _source(self) -> str:
        return self.rng.choice((*ALL, NAMED))

    def _new(self, source: str) -> Draft:
        self._numbers += 1
        self.days[source] += self.rng.uniform(0, 0.5)
        payer = party(self.rng.choice(CUSTOMERS)) if self.rng.random() < 0.3 else None
        document = order(
            f"O{self._numbers}",
            self.rng.choice(CUSTOMERS),
            at=self.days[source],
            amount=self.rng.randint(1, 999),
            bill_to=payer,
            source=source,
        )
        return draft(document, 1)

    def _next_version(self, ahead: int, key: str | None = None) -> Draft:
        key = key or self.rng.choice(sorted(self.truth.newest)[:OFTEN_AMENDED])
        number, document = self.truth.newest[key]
        changes: dict[str, Any] = self.rng.choice(
            [
                {"party": party(self.rng.choice(CUSTOMERS))},
                {"party": party(self.rng.choice(CUSTOMERS)), "bill_to": None},
                {"bill_to": party(self.rng.choice(CUSTOMERS))},
                {"placed_at": day(self.rng.uniform(0, 9))},
                {"live": not document.live},
            ]
        )
        amended = msgspec.structs.replace(document, **changes, amount=self.rng.randint(1, 999))
        return draft(amended, number + ahead)

    async def _rotten(self) -> list[dict[str, Any]]:
        """Open letters, and what they were: `was_kind`, `was`, `was_revision`."""
        values = await self.stage.rows(self.stage.consumer, 'select topic, part, "offset", value from dead_letter')
        by_place = {tuple(row)[:3]: row["value"] for row in values}
        found = []
        for letter in await self.stage.letters():
            value = by_place[letter["topic"], letter["part"], letter["offset"]]
            kind, id_, revision = value.removeprefix(MARK).decode().split()
            found.append({**letter, "was_kind": kind, "was": UUID(id_), "was_revision": int(revision)})
        return found

    async def _is_there(self, letter: dict[str, Any]) -> bool:
        if letter["was_kind"] == "beat":
            query = "select from beat where part = $1 and revision > $2 and complete_until is not null"
            return bool(await self.stage.rows(self.stage.consumer, query, letter["part"], letter["was_revision"]))
        query = "select from held_document where id = $1 and revision >= $2"
        return bool(await self.stage.rows(self.stage.consumer, query, letter["was"], letter["was_revision"]))

    async def _mend_what_rotted(self) -> None:
        """Documents whose letters are open are sent once more by their source, changed; beats by all."""
        rotten = await self._rotten()
        ids = [letter["was"] for letter in rotten if letter["was_kind"] == "order"]
        rows = await self.stage.rows(self.stage.producer, "select key from document where id = any($1)", ids)
        for row in rows:
            await self._send([self._next_version(1, row["key"])])
        if len(rows) < len(rotten):
            await self._beat_a_last_time()

    async def _beat_a_last_time(self) -> None:
        last = max(self.days.values()) + 1
        for source in self.days:
            self.days[source] = last
            await self.beat(source)

    async def _quiet(self) -> bool:
        if await self.stage.outbox() or await self.stage.letters():
            return False
        bounds = await self.stage.bus.bounds([TOPIC])
        rows = await self.stage.rows(self.stage.consumer, "select part, next_offset from cursor")
        done = {row["part"]: row["next_offset"] for row in rows}
        return all(done.get(where.partition) == bound.next for where, bound in bounds.items())
