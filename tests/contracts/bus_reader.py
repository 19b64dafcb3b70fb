"""Callers of the port as the checks need them: one that only collects, and one that keeps cursors like a consumer."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from shared.messaging.bus import BusConsumer, Message, Record, TopicPartition

POLL_SECONDS = 0.2


def message(text: str) -> Message:
    """A message that can be told from others."""
    return Message(b"key", text.encode(), ())


def messages(count: int, name: str = "m", start: int = 0) -> list[Message]:
    """Numbered messages."""
    return [message(f"{name}:{number}") for number in range(start, start + count)]


def texts(records: Iterable[Record]) -> list[str]:
    """What `message` put in."""
    return [record.value.decode() for record in records]


def place(record: Record) -> TopicPartition:
    """Where a record is."""
    return TopicPartition(record.topic, record.partition)


async def seek_all(member: BusConsumer, offset: int = 0) -> None:
    """Position what waits for it."""
    for where in await member.unpositioned():
        member.seek(where, offset)


async def collect(member: BusConsumer, count: int, *, patience: float = 5, max_records: int = 1000) -> list[Record]:
    """Poll from the beginning until `count` records came, or none for `patience` seconds."""
    collected: list[Record] = []
    deadline = time.monotonic() + patience
    while len(collected) < count and time.monotonic() < deadline:
        await seek_all(member)
        records = await member.poll(max_records, POLL_SECONDS)
        if records:
            deadline = time.monotonic() + patience
        collected += records
    return collected


async def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Until the condition holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - it may be anything
        await asyncio.sleep(0.05)


async def together(*actions: Coroutine[Any, Any, None]) -> None:
    """Run all; the first error ends the others and is raised as it is."""
    tasks = [asyncio.create_task(action) for action in actions]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settle(
    members: Sequence[BusConsumer], wanted: Callable[[Sequence[frozenset[TopicPartition]]], bool], seconds: float
) -> list[frozenset[TopicPartition]]:
    """Let the members poll until their assignments are as wanted, or the time is over; returns the assignments."""
    deadline = time.monotonic() + seconds
    while True:
        for member in members:
            await seek_all(member)
        await asyncio.gather(*(member.poll(1, 0.05) for member in members))
        assignments = [member.assignment() for member in members]
        if wanted(assignments) or time.monotonic() > deadline:
            return assignments


class Cursors:
    """A consumer's own database: what was applied, and how far."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = defaultdict(int)
        self.applied: dict[TopicPartition, list[str]] = defaultdict(list)

    async def step(self, member: BusConsumer, max_records: int = 50) -> int:
        """What a consumer does: position, poll, check that nothing is missing, apply. Returns the number applied."""
        for where in await member.unpositioned():
            member.seek(where, self.next[where])
        records = await member.poll(max_records, POLL_SECONDS)
        for where, found in group(records).items():
            first = found[0].offset
            assert [record.offset for record in found] == list(range(first, first + len(found))), f"holes in {where}"
            assert first <= self.next[where], f"{where}: {first} came, but {self.next[where]} is next"
            if first < self.next[where]:
                # Another member has applied them since.
                member.seek(where, self.next[where])
                continue
            self.applied[where] += texts(found)
            self.next[where] += len(found)
        return len(records)


def group(records: Iterable[Record]) -> dict[TopicPartition, list[Record]]:
    """Records by partition."""
    by_place: dict[TopicPartition, list[Record]] = defaultdict(list)
    for record in records:
        by_place[place(record)].append(record)
    return by_place


async def wait_for_assignment(member: BusConsumer, partitions: int = 1, seconds: float = 10) -> None:
    """Until the member has as many partitions, none of them positioned by this."""
    deadline = time.monotonic() + seconds
    await member.unpositioned()
    while len(member.assignment()) < partitions:
        assert time.monotonic() < deadline, f"only {member.assignment()} after {seconds} s"
        await member.poll(1, 0.05)
        await member.unpositioned()


async def collect_as_positioned(member: BusConsumer, polls: int = 3) -> list[Record]:
    """What some polls bring, without any `seek`."""
    return [record for _ in range(polls) for record in await member.poll(1000, POLL_SECONDS)]
