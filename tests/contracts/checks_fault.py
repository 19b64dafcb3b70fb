"""What any bus has to keep when connections break, the network is silent or the server stops and comes back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from shared.messaging.bus import BusConsumer, BusError, Record, TopicPartition
from tests.contracts.bus_harness import BusHarness, unique
from tests.contracts.bus_reader import collect, messages, place, seek_all, settle, texts

BOUND_SECONDS = 10
"""What closing may take when nobody answers."""


async def lost_ownership_is_noticed_before_records_are_returned(harness: BusHarness) -> None:
    """INVARIANT: a member whose session the bus has ended returns no record of a partition that another one has, once
    it can know; it may become a member again by itself.

    Broken by a client that reads over another connection than the one its ownership hangs on.
    """
    topic, name = await harness.topic(4), unique("group")
    process, bus = await harness.process(), await harness.bus()
    expelled = await process.bus.consumer(name, [topic])
    await settle([expelled], lambda now: len(now[0]) == 4, harness.handover_seconds)
    other = await bus.consumer(name, [topic])
    await process.expel()
    await settle([other], lambda now: len(now[0]) == 4, 3)
    producer = await bus.producer()
    for part in range(4):
        await producer.send(topic, part, messages(3))
    await asyncio.sleep(harness.notice_seconds)
    seen: set[tuple[TopicPartition, int]] = set()
    deadline = time.monotonic() + 5 + harness.handover_seconds
    while len(seen) < 12 and time.monotonic() < deadline:
        for member, rival in ((expelled, other), (other, expelled)):
            with contextlib.suppress(BusError):
                await seek_all(member)
            records = await _poll_or_nothing(member)
            assert {place(record) for record in records} <= member.assignment() - rival.assignment()
            seen |= {(place(record), record.offset) for record in records}
    assert len(seen) == 12


async def errors_of_a_broken_connection_are_bus_errors(harness: BusHarness) -> None:
    """INVARIANT: whatever breaks, the caller sees `BusError` or the bus goes on by itself; it gets no wrong answer.

    Broken by a driver's exception that no caller expects: the consumer's task would end for good.
    """
    topic, process = await harness.topic(), await harness.process()
    member = await process.bus.consumer(unique("group"), [topic])
    producer = await process.bus.producer()
    await producer.send(topic, 0, messages(2))
    assert len(await collect(member, 2)) == 2
    polling = asyncio.create_task(_poll_or_nothing(member, 2))
    await asyncio.sleep(0.05)
    await process.expel()
    assert await polling == []
    with contextlib.suppress(BusError):
        await seek_all(member)
    await member.commit({TopicPartition(topic, 0): 2})
    with contextlib.suppress(BusError):
        await producer.send(topic, 0, messages(1, start=2))
    await member.close()
    await producer.close()


async def clients_are_replaced_after_a_restart_of_the_server(harness: BusHarness) -> None:
    """INVARIANT: what was acknowledged is there after a restart, and new clients of the same bus go on.

    Broken by a bus that keeps a connection of the old server, or that must be made anew by its process.
    """
    bus, topic, name = await harness.bus(), await harness.topic(2), unique("group")
    producer, member = await bus.producer(), await bus.consumer(name, [topic])
    await producer.send(topic, 0, messages(5))
    assert len(await collect(member, 5)) == 5
    await harness.stop_server()
    for use in (bus.producer, lambda: bus.consumer(name, [topic]), lambda: bus.bounds([topic])):
        with pytest.raises(BusError):
            await use()
    with pytest.raises(BusError):
        await bus.create_topics({topic: 2})
    await harness.start_server()
    for old in (member, producer):
        await old.close()
    producer, member = await bus.producer(), await bus.consumer(name, [topic])
    await producer.send(topic, 0, messages(5, start=5))
    assert [record.offset for record in await collect(member, 10)] == list(range(10))
    polling = asyncio.create_task(member.poll(10, 5))
    await asyncio.sleep(0.05)
    await producer.send(topic, 1, messages(1))
    assert texts(await polling) == ["m:0"]


async def closing_is_bounded_while_the_server_is_stopped(harness: BusHarness) -> None:
    """INVARIANT: closing clients and the bus takes seconds when the server is gone, so that a process can end.

    Broken by a farewell that waits for an answer.
    """
    bus, topic = await harness.bus(), await harness.topic()
    producer, member = await bus.producer(), await bus.consumer(unique("group"), [topic])
    await producer.send(topic, 0, messages(1))
    await collect(member, 1)
    await harness.stop_server()
    async with _bounded():
        await producer.close()
        await member.close()
        await bus.close()


async def closing_is_bounded_while_nobody_answers(harness: BusHarness) -> None:
    """INVARIANT: closing takes seconds also when the network swallows everything; a send under way ends as an error.

    Broken by waiting for what is in flight, and by a send that passes for done when its client is closed.
    """
    process, topic = await harness.process(), await harness.topic()
    bus = process.bus
    producer, idle = await bus.producer(), await bus.producer()
    member = await bus.consumer(unique("group"), [topic])
    await producer.send(topic, 0, messages(1))
    await collect(member, 1)
    process.silence()
    sending = [asyncio.create_task(producer.send(topic, 0, messages(1, start=1))) for _ in range(2)]
    polling = asyncio.create_task(_poll_or_nothing(member, 60))
    await asyncio.sleep(0.6)
    async with _bounded():
        await producer.close()
        for task in sending:
            with pytest.raises(BusError):
                await task
        await idle.close()
        await member.close()
        await bus.close()
        assert await polling == []
    assert texts(await (await harness.bus()).read(TopicPartition(topic, 0), 0, 10)) == ["m:0"]


async def closing_twice_is_harmless(harness: BusHarness) -> None:
    """INVARIANT: whoever cleans up may do it twice, and a closed client answers with `BusError`.

    Broken by a client that trusts its callers' order.
    """
    bus, topic = await harness.bus(), await harness.topic()
    producer, member = await bus.producer(), await bus.consumer(unique("group"), [topic])
    for _ in range(2):
        await producer.close()
        await member.close()
        await bus.close()
    with pytest.raises(BusError):
        await producer.send(topic, 0, messages(1))
    with pytest.raises(BusError):
        await member.poll(1, 0)
    assert member.assignment() == frozenset()


async def _poll_or_nothing(member: BusConsumer, timeout: float = 0.3) -> list[Record]:
    with contextlib.suppress(BusError):
        return await member.poll(100, timeout)
    return []


@contextlib.asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(f"not over after {time.monotonic() - started:.1f} s") from None


CHECKS = (
    lost_ownership_is_noticed_before_records_are_returned,
    errors_of_a_broken_connection_are_bus_errors,
    clients_are_replaced_after_a_restart_of_the_server,
    closing_is_bounded_while_the_server_is_stopped,
    closing_is_bounded_while_nobody_answers,
    closing_twice_is_harmless,
)
