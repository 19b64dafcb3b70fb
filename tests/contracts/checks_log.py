"""What any bus has to keep of a log: order, density, bytes, bounds, errors. Checks take a harness, so that both the
conformance tests and the tests of these tests can call them."""

import asyncio
import time

import pytest

from shared.messaging.bus import Bounds, BusConsumer, BusError, BusProducer, Message, OffsetOutOfRange, TopicPartition
from tests.contracts.bus_harness import BusHarness, unique
from tests.contracts.bus_reader import (
    POLL_SECONDS,
    collect,
    collect_as_positioned,
    message,
    messages,
    texts,
    together,
    wait_for_assignment,
)


async def offsets_are_dense_and_in_the_order_sent(harness: BusHarness) -> None:
    """INVARIANT: a partition's offsets are 0, 1, 2, … in the order in which batches were acknowledged.

    Broken by offsets that are handed out before the commit, by batches split or sorted on the way.
    """
    bus, topic = await harness.bus(), await harness.topic(2)
    producer = await bus.producer()
    sent = messages(500)
    for start in range(0, 500, 50):
        await producer.send(topic, 1, sent[start : start + 50])
    member = await bus.consumer(unique("group"), [topic])
    records = await collect(member, 500, max_records=70)
    assert [record.offset for record in records] == list(range(500))
    assert texts(records) == [item.value.decode() for item in sent]
    assert {(record.topic, record.partition) for record in records} == {(topic, 1)}


async def each_partition_counts_for_itself(harness: BusHarness) -> None:
    """INVARIANT: offsets belong to a partition, also when one producer sends to many at once.

    Broken by one counter for a topic, or by rows of one append that land in another's partition.
    """
    bus, topic = await harness.bus(), await harness.topic(4)
    producer = await bus.producer()
    for turn in range(5):
        await asyncio.gather(
            *(producer.send(topic, part, messages(7, f"p{part}", turn * 7)) for part in (3, 1, 0, 2)),
        )
    for part in range(4):
        records = await bus.read(TopicPartition(topic, part), 0, 100)
        assert [record.offset for record in records] == list(range(35))
        assert texts(records) == [f"p{part}:{number}" for number in range(35)]


async def bytes_come_back_as_sent(harness: BusHarness) -> None:
    """INVARIANT: key, value and headers are the sender's, byte by byte, also null, empty, repeated and large ones.

    Broken by a null key read as an empty one, by headers kept in a mapping, by text codecs, by limits below 1 MB.
    """
    bus, topic = await harness.bus(), await harness.topic()
    sent = [
        Message(None, b"v", ()),
        Message(b"", b"", (("empty", b""),)),
        Message(b"k", b"", (("same", b"1"), ("other", b"2"), ("same", b"3"), ("same", b"1"))),
        Message(bytes(range(256)), bytes(range(256)) * 3, (("größe-值", bytes(range(256))), ("", b"x"))),
        Message(b"k" * 5000, b"\x00" * 1_000_000, (("large", b"h" * 5000),)),
        Message(b"\x00", b"\xff\xfe", tuple((f"h{number}", b"%d" % number) for number in range(50))),
    ]
    producer = await bus.producer()
    for item in sent:
        await producer.send(topic, 0, [item])
    await producer.send(topic, 0, sent)
    member = await bus.consumer(unique("group"), [topic])
    records = await collect(member, 12)
    assert [Message(record.key, record.value, record.headers) for record in records] == [*sent, *sent]


async def concurrent_producers_lose_nothing(harness: BusHarness) -> None:
    """INVARIANT: whoever reads on from the last offset seen gets everything, while four producers append at once.

    Broken by offsets taken outside the lock held to the commit: a later offset becomes visible first, and the reader
    passes the earlier one for ever.
    """
    topic = await harness.topic(2)
    bus = await harness.bus()
    member = await bus.consumer(unique("group"), [topic])
    producers = [await (await harness.bus()).producer() for _ in range(4)]

    async def produce(number: int, producer: BusProducer) -> None:
        for start in range(0, 200, 2):
            await asyncio.gather(
                *(producer.send(topic, part, messages(2, f"{number}", start)) for part in (number % 2, 1 - number % 2))
            )

    sending = asyncio.create_task(together(*(produce(number, producer) for number, producer in enumerate(producers))))
    records = await collect(member, 1600, max_records=37)
    await sending
    for part in range(2):
        found = [record for record in records if record.partition == part]
        assert [record.offset for record in found] == list(range(800))
        for number in range(4):
            mine = [text for text in texts(found) if text.startswith(f"{number}:")]
            assert mine == [f"{number}:{place}" for place in range(200)]


async def acknowledged_is_in_the_log(harness: BusHarness) -> None:
    """INVARIANT: when `send` has returned the messages are in the log, whatever becomes of the sender.

    Broken by an acknowledgement that does not wait for the commit.
    """
    process, topic = await harness.process(), await harness.topic()
    bus = await harness.bus()
    producer = await process.bus.producer()
    await producer.send(topic, 0, messages(3))
    assert (await bus.bounds([topic]))[TopicPartition(topic, 0)] == Bounds(0, 3)
    await producer.send(topic, 0, messages(3, start=3))
    await process.kill()
    assert texts(await bus.read(TopicPartition(topic, 0), 0, 100)) == texts_of(6)


async def a_lost_acknowledgement_doubles_but_never_reorders(harness: BusHarness) -> None:
    """INVARIANT: a sender that repeats from the first batch without an acknowledgement keeps the order.

    Duplicates are allowed. Broken by a `send` that hides the error, by a client
    that drops the repetition, or by one that sends what waited behind the failed batch.
    """
    process, topic = await harness.process(), await harness.topic()
    producer = await process.bus.producer()
    await producer.send(topic, 0, messages(10))
    with pytest.raises(BusError):
        await process.send_unacknowledged(producer, topic, 0, messages(10, start=10))
    await producer.close()
    again = await process.bus.producer()
    await again.send(topic, 0, messages(10, start=10))
    await again.send(topic, 0, messages(10, start=20))
    found = texts(await (await harness.bus()).read(TopicPartition(topic, 0), 0, 100))
    assert list(dict.fromkeys(found)) == texts_of(30)


async def a_producer_that_failed_stays_failed(harness: BusHarness) -> None:
    """INVARIANT: after an error a producer sends nothing more, so that no later batch overtakes the failed one.

    Broken by a client that connects again by itself, or that sends the failed batch when the bus is back.
    """
    process, topic = await harness.process(), await harness.topic()
    producer = await process.bus.producer()
    await producer.send(topic, 0, messages(1))
    await process.isolate()
    with pytest.raises(BusError):
        await producer.send(topic, 0, messages(1, start=1))
    await process.reconnect()
    for number in (1, 2, 2):
        with pytest.raises(BusError):
            await producer.send(topic, 0, messages(1, start=number))
    # What waits in a client to be sent is sent when it connects again.
    await asyncio.sleep(harness.notice_seconds)
    assert texts(await (await harness.bus()).read(TopicPartition(topic, 0), 0, 100)) == texts_of(1)


async def unknown_topics_and_partitions_are_errors(harness: BusHarness) -> None:
    """INVARIANT: a name nobody created is an error everywhere and creates nothing.

    Broken by topics that come into being when they are used: a typing error would swallow documents.
    """
    bus, topic, unknown = await harness.bus(), await harness.topic(2), unique("unknown")
    for where in ((unknown, 0), (topic, 2), (topic, -1)):
        producer = await bus.producer()
        with pytest.raises(BusError):
            await producer.send(*where, messages(1))
        await producer.close()
    with pytest.raises(BusError):
        await bus.bounds([topic, unknown])
    with pytest.raises(BusError):
        await bus.read(TopicPartition(unknown, 0), 0, 1)
    with pytest.raises(BusError):
        await bus.consumer(unique("group"), [topic, unknown])


async def topics_are_created_once(harness: BusHarness) -> None:
    """INVARIANT: creating is idempotent, and the number of partitions never changes in place.

    Broken by growing a topic: keys would move to other partitions, and beats there say nothing about the old ones.
    """
    bus, topic, other = await harness.bus(), await harness.topic(3), unique("topic")
    buses = [await harness.bus() for _ in range(3)]
    await asyncio.gather(*(each.create_topics({topic: 3, other: 1}) for each in buses))
    for partitions in (1, 4):
        with pytest.raises(BusError):
            await bus.create_topics({topic: partitions})
    assert set(await bus.bounds([topic])) == {TopicPartition(topic, part) for part in range(3)}
    assert set(await bus.bounds([other])) == {TopicPartition(other, 0)}


async def bounds_are_first_and_next_offset(harness: BusHarness) -> None:
    """INVARIANT: bounds name the first record still there and the one that comes next, for every partition.

    Broken by an empty partition that is left out or counted from one, and by deleted history.
    """
    bus, topic = await harness.bus(), await harness.topic(2)
    here, empty = TopicPartition(topic, 0), TopicPartition(topic, 1)
    assert await bus.bounds([topic]) == {here: Bounds(0, 0), empty: Bounds(0, 0)}
    producer = await bus.producer()
    await producer.send(topic, 0, messages(10))
    await producer.send(topic, 0, [])
    assert await bus.bounds([topic]) == {here: Bounds(0, 10), empty: Bounds(0, 0)}
    await harness.delete_before(here, 4)
    assert await bus.bounds([topic]) == {here: Bounds(4, 10), empty: Bounds(0, 0)}
    await harness.delete_before(here, 10)
    await producer.send(topic, 0, messages(1))
    assert await bus.bounds([topic]) == {here: Bounds(10, 11), empty: Bounds(0, 0)}


async def reading_needs_no_group(harness: BusHarness) -> None:
    """INVARIANT: tools look at any record by its place, and nobody's position moves.

    Broken by a read that joins a group or does not stop where it was told.
    """
    bus, topic = await harness.bus(), await harness.topic()
    where = TopicPartition(topic, 0)
    await (await bus.producer()).send(topic, 0, messages(10))
    assert [record.offset for record in await bus.read(where, 3, 4)] == [3, 4, 5, 6]
    assert [record.offset for record in await bus.read(where, 8, 4)] == [8, 9]
    assert await bus.read(where, 10, 4) == []
    with pytest.raises(OffsetOutOfRange):
        await bus.read(where, 11, 4)


async def positions_outside_the_log_raise(harness: BusHarness) -> None:
    """INVARIANT: a position below the first or above the next offset raises, and names the place; nothing is skipped.

    Broken by Kafka's `auto.offset.reset`: after lost history a consumer would go on as if nothing were missing.
    """
    bus, topic = await harness.bus(), await harness.topic()
    where = TopicPartition(topic, 0)
    await (await bus.producer()).send(topic, 0, messages(10))
    await harness.delete_before(where, 4)
    member = await bus.consumer(unique("group"), [topic])
    for offset in (3, 0, 11, 1_000_000):
        await wait_for_assignment(member)
        member.seek(where, offset)
        with pytest.raises(OffsetOutOfRange) as raised:
            await collect_as_positioned(member)
        assert (raised.value.where, raised.value.offset) == (where, offset)
    for offset, expected in ((4, 6), (10, 0)):
        await wait_for_assignment(member)
        member.seek(where, offset)
        assert len(await collect_as_positioned(member)) == expected


async def after_an_error_everything_is_positioned_again(harness: BusHarness) -> None:
    """INVARIANT: after `OffsetOutOfRange` no partition yields anything before a new `seek`.

    Broken by a client that goes on in the other partitions, past records it drew and threw away with the error.
    """
    bus, topic = await harness.bus(), await harness.topic(2)
    await (await bus.producer()).send(topic, 0, messages(10))
    member = await bus.consumer(unique("group"), [topic])
    await wait_for_assignment(member, 2)
    member.seek(TopicPartition(topic, 0), 0)
    member.seek(TopicPartition(topic, 1), 5)
    with pytest.raises(OffsetOutOfRange):
        await _poll_often(member)
    assert await member.poll(100, 1) == []
    assert await member.unpositioned() == {TopicPartition(topic, 0), TopicPartition(topic, 1)}
    assert [record.offset for record in await collect(member, 10)] == list(range(10))


async def an_empty_topic_yields_nothing_in_time(harness: BusHarness) -> None:
    """INVARIANT: a poll without records takes its timeout, not much less (a busy loop) and not much more.

    Broken by a poll that waits for the first record, or that returns at once.
    """
    bus, topic = await harness.bus(), await harness.topic(3)
    member = await bus.consumer(unique("group"), [topic])
    await collect(member, 1, patience=1)
    for timeout in (0.0, 0.7):
        started = time.monotonic()
        assert await member.poll(100, timeout) == []
        assert timeout * 0.9 <= time.monotonic() - started < timeout + 0.5


async def an_append_wakes_a_waiting_poll(harness: BusHarness) -> None:
    """INVARIANT: a poll that waits returns soon after an append by another process, well below any slow poll.

    Broken by a lost wake-up: everything still works, but each hop from document to warning takes half a second.
    """
    bus, topic = await harness.bus(), await harness.topic(12)
    producer = await (await harness.bus()).producer()
    member = await bus.consumer(unique("group"), [topic])
    await producer.send(topic, 0, messages(1))
    await collect(member, 1)
    seconds = []
    for number in range(9):
        polling = asyncio.create_task(member.poll(10, 5))
        await asyncio.sleep(0.03)
        started = time.monotonic()
        await producer.send(topic, number % 12, [message("wake")])
        assert texts(await polling) == ["wake"]
        seconds.append(time.monotonic() - started)
    assert sorted(seconds)[4] < 0.1


async def _poll_often(member: BusConsumer) -> None:
    for _ in range(20):
        await member.poll(1, POLL_SECONDS)


def texts_of(count: int) -> list[str]:
    """What `messages(count)` says."""
    return [item.value.decode() for item in messages(count)]


CHECKS = (
    offsets_are_dense_and_in_the_order_sent,
    each_partition_counts_for_itself,
    bytes_come_back_as_sent,
    concurrent_producers_lose_nothing,
    acknowledged_is_in_the_log,
    a_lost_acknowledgement_doubles_but_never_reorders,
    a_producer_that_failed_stays_failed,
    unknown_topics_and_partitions_are_errors,
    topics_are_created_once,
    bounds_are_first_and_next_offset,
    reading_needs_no_group,
    positions_outside_the_log_raise,
    after_an_error_everything_is_positioned_again,
    an_empty_topic_yields_nothing_in_time,
    an_append_wakes_a_waiting_poll,
)
