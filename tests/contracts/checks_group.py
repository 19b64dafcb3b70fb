"""What any bus has to keep of groups: positions are the caller's, partitions are shared, nobody is starved."""

import asyncio
import time
from collections.abc import Sequence

from shared.messaging.bus import Bus, BusError, TopicPartition
from tests.contracts.bus_harness import BusHarness, unique
from tests.contracts.bus_reader import (
    POLL_SECONDS,
    Cursors,
    collect,
    collect_as_positioned,
    group,
    messages,
    place,
    seek_all,
    settle,
    texts,
    together,
    wait_for_assignment,
    wait_until,
)

Assignments = Sequence[frozenset[TopicPartition]]


async def nothing_comes_before_seek(harness: BusHarness) -> None:
    """INVARIANT: a partition just assigned yields nothing until the caller has said where to begin.

    Broken by a client that begins at the first, the last or the committed offset by itself.
    """
    bus, topic = await harness.bus(), await harness.topic(2)
    producer = await bus.producer()
    for part in range(2):
        await producer.send(topic, part, messages(5))
    member = await bus.consumer(unique("group"), [topic])
    await wait_for_assignment(member, 2)
    assert await collect_as_positioned(member) == []
    assert await member.unpositioned() == member.assignment() == {TopicPartition(topic, part) for part in range(2)}
    member.seek(TopicPartition(topic, 1), 2)
    records = await collect_as_positioned(member)
    assert [(record.partition, record.offset) for record in records] == [(1, 2), (1, 3), (1, 4)]
    assert await member.unpositioned() == {TopicPartition(topic, 0)}


async def seek_moves_in_both_directions(harness: BusHarness) -> None:
    """INVARIANT: the next record of a partition is the one named by the last `seek`, whatever was read before.

    Broken by a client that hands out what it had fetched for the old position.
    """
    bus, topic = await harness.bus(), await harness.topic()
    where = TopicPartition(topic, 0)
    await (await bus.producer()).send(topic, 0, messages(100))
    member = await bus.consumer(unique("group"), [topic])
    await collect(member, 1, max_records=10)
    for offset in (50, 20, 90, 0, 99):
        member.seek(where, offset)
        records = await member.poll(5, 2)
        assert [record.offset for record in records] == list(range(offset, min(offset + 5, 100)))[: len(records)] != []


async def seek_in_a_partition_not_held_is_ignored(harness: BusHarness) -> None:
    """INVARIANT: a member reads only what is assigned to it, although it may still believe otherwise.

    Broken by a `seek` that adds a partition.
    """
    bus, topic, foreign = await harness.bus(), await harness.topic(), await harness.topic()
    await (await bus.producer()).send(foreign, 0, messages(5))
    member = await bus.consumer(unique("group"), [topic])
    await wait_for_assignment(member)
    member.seek(TopicPartition(foreign, 0), 0)
    member.seek(TopicPartition(topic, 7), 0)
    assert await collect_as_positioned(member) == []
    assert member.assignment() == {TopicPartition(topic, 0)}


async def a_killed_member_is_replaced_from_the_callers_positions(harness: BusHarness) -> None:
    """INVARIANT: after a kill the next member gets again whatever the caller's cursor has not passed.

    Broken by a bus that remembers what it has handed out: records in the dead member's hands would be lost.
    """
    process, topic, name = await harness.process(), await harness.topic(), unique("group")
    await (await process.bus.producer()).send(topic, 0, messages(20))
    victim = await process.bus.consumer(name, [topic])
    assert len(await collect(victim, 20)) == 20
    await victim.commit({TopicPartition(topic, 0): 20})
    await process.kill()
    heir = await (await harness.bus()).consumer(name, [topic])
    await wait_for_assignment(heir, 1, harness.handover_seconds)
    heir.seek(TopicPartition(topic, 0), 7)
    assert texts(await heir.poll(100, 2)) == texts_from(7, 20)


async def commit_is_only_a_hint(harness: BusHarness) -> None:
    """INVARIANT: tools see what was committed, and no member ever begins there.

    Broken by a bus that reads its commits back, which may be ahead of the effects, or that fails when it cannot write.
    """
    process, topic, name = await harness.process(), await harness.topic(2), unique("group")
    where = TopicPartition(topic, 1)
    await (await process.bus.producer()).send(topic, 1, messages(9))
    member = await process.bus.consumer(name, [topic])
    await collect(member, 9)
    await member.commit({})
    await member.commit({where: 5})
    await member.commit({where: 9, TopicPartition(topic, 0): 0})
    deadline = time.monotonic() + harness.hint_seconds
    while (seen := await harness.committed(name)) != {where: 9, TopicPartition(topic, 0): 0}:
        assert time.monotonic() < deadline, seen
    await process.expel()
    await asyncio.sleep(0.05)
    try:
        await member.commit({where: 9})
    except BusError as error:
        raise AssertionError("a hint that could not be stored became an error") from error
    await member.close()
    following = await (await harness.bus()).consumer(name, [topic])
    await wait_for_assignment(following, 2, harness.handover_seconds)
    assert await collect_as_positioned(following) == []
    assert len(await collect(following, 9)) == 9


async def two_members_share_the_partitions(harness: BusHarness) -> None:
    """INVARIANT: every partition has exactly one owner, and members have equally many, give or take one a topic.

    Broken by a second member that stays idle or that reads what the first one reads.
    """
    first, second = await harness.topic(12), await harness.topic(3)
    name = unique("group")
    members = [await (await harness.bus()).consumer(name, [first, second]) for _ in range(2)]
    assignments = await settle(members, lambda now: _shared(now, 15, 2), harness.handover_seconds)
    assert _shared(assignments, 15, 2), assignments
    third = await (await harness.bus()).consumer(name, [first, second])
    assignments = await settle([*members, third], lambda now: _shared(now, 15, 2), harness.handover_seconds)
    assert _shared(assignments, 15, 2), assignments


async def a_killed_member_hands_over_all(harness: BusHarness) -> None:
    """INVARIANT: no partition is without an owner for longer than the bus promises, however its owner ended.

    Broken by ownership that outlives the owner's connection.
    """
    topic, name = await harness.topic(5), unique("group")
    victim, other = await harness.process(), await harness.bus()
    members = [await bus.consumer(name, [topic]) for bus in (victim.bus, other)]
    assert _shared(await settle(members, lambda now: _shared(now, 5, 1), harness.handover_seconds), 5, 1)
    await victim.kill()
    (held,) = await settle(members[1:], lambda now: len(now[0]) == 5, harness.handover_seconds)
    assert held == {TopicPartition(topic, part) for part in range(5)}


async def a_closed_member_hands_over_all(harness: BusHarness) -> None:
    """INVARIANT: a member that closes leaves its partitions to the others at once.

    Broken by a `close` that forgets the group.
    """
    topic, name = await harness.topic(5), unique("group")
    members = [await (await harness.bus()).consumer(name, [topic]) for _ in range(2)]
    assert _shared(await settle(members, lambda now: _shared(now, 5, 1), harness.handover_seconds), 5, 1)
    await members[0].close()
    assert members[0].assignment() == frozenset()
    (held,) = await settle(members[1:], lambda now: len(now[0]) == 5, harness.handover_seconds)
    assert len(held) == 5


async def a_partition_that_comes_back_waits_for_seek(harness: BusHarness) -> None:
    """INVARIANT: a partition lost and assigned again has no position: somebody else may have read on meanwhile.

    Broken by a client that keeps the position it had.
    """
    topic, name = await harness.topic(2), unique("group")
    bus = await harness.bus()
    staying = await bus.consumer(name, [topic])
    await settle([staying], lambda now: len(now[0]) == 2, harness.handover_seconds)
    visitor = await (await harness.bus()).consumer(name, [topic])
    assignments = await settle([staying, visitor], lambda now: _shared(now, 2, 1), harness.handover_seconds)
    (lent,) = assignments[1]
    await visitor.close()
    producer = await bus.producer()
    for part in range(2):
        await producer.send(topic, part, messages(3))
    deadline = time.monotonic() + harness.handover_seconds
    while lent not in staying.assignment() and time.monotonic() < deadline:
        assert lent not in {place(record) for record in await staying.poll(10, 0.1)}
    assert lent in await staying.unpositioned()
    assert lent not in {place(record) for record in await collect_as_positioned(staying)}
    staying.seek(lent, 1)
    assert [record.offset for record in await collect_as_positioned(staying) if place(record) == lent] == [1, 2]


async def groups_do_not_disturb_each_other(harness: BusHarness) -> None:
    """INVARIANT: every group gets every record, at positions of its own.

    Broken by ownership or positions kept per topic.
    """
    bus, topic = await harness.bus(), await harness.topic(3)
    members = [await bus.consumer(unique("group"), [topic]) for _ in range(3)]
    producer = await bus.producer()
    for part in range(3):
        await producer.send(topic, part, messages(10, f"{part}"))
    for member in members:
        assert len(await collect(member, 30)) == 30
        assert len(member.assignment()) == 3


async def nothing_is_lost_while_members_come_and_go(harness: BusHarness) -> None:
    """INVARIANT: consumers that keep cursors of their own apply every record once and in order, whoever joins or dies.

    Broken by records drawn for a partition that is lost in the same moment and passed by its next owner.
    """
    topic, name, parts, each = await harness.topic(6), unique("group"), 6, 400
    producer, cursors = await (await harness.bus()).producer(), Cursors()
    ended = asyncio.Event()

    async def produce() -> None:
        for start in range(0, each, 10):
            await asyncio.gather(*(producer.send(topic, part, messages(10, f"{part}", start)) for part in range(parts)))
            await asyncio.sleep(0.05)

    async def consume(seconds: float, killed: bool) -> None:
        process = await harness.process()
        member = await process.bus.consumer(name, [topic])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not ended.is_set():
            await cursors.step(member)
        await (process.kill() if killed else member.close())

    async def end() -> None:
        await wait_until(lambda: sum(map(len, cursors.applied.values())) >= parts * each, 60)
        ended.set()

    async def visit(number: int) -> None:
        await asyncio.sleep(0.5 * number)
        await consume(0.9, number % 2 == 0)

    await together(produce(), end(), consume(60, False), *(visit(number) for number in range(1, 5)))
    for part in range(parts):
        expected = [f"{part}:{number}" for number in range(each)]
        assert cursors.applied[TopicPartition(topic, part)] == expected


async def a_poll_gives_at_most_what_was_asked_for(harness: BusHarness) -> None:
    """INVARIANT: `max_records` is the most a poll returns, and what it leaves comes with the next one.

    Broken by a limit per partition, or by records cut off after the position has moved past them.
    """
    bus, topic = await harness.bus(), await harness.topic(5)
    producer = await bus.producer()
    for part in range(5):
        await producer.send(topic, part, messages(40))
    member = await bus.consumer(unique("group"), [topic])
    for most in (1, 3, 7, 100):
        await wait_for_assignment(member, 0)
        for where in member.assignment() | await member.unpositioned():
            member.seek(where, 0)
        count = 0
        while count < 200:
            records = await member.poll(most, 2)
            assert 0 < len(records) <= most or (not records and not count)
            await seek_all(member)
            count += len(records)
        assert count == 200


async def each_partition_comes_in_one_piece_and_in_order(harness: BusHarness) -> None:
    """INVARIANT: the records of one partition lie together in a poll, without holes, and go on where the last ended.

    Broken by records merged by time or by an order that follows the rows of the table.
    """
    bus, topic = await harness.bus(), await harness.topic(4)
    producer = await bus.producer()
    for start in range(0, 120, 5):
        await asyncio.gather(*(producer.send(topic, part, messages(5, start=start)) for part in range(4)))
    member = await bus.consumer(unique("group"), [topic])
    next_offset = {TopicPartition(topic, part): 0 for part in range(4)}
    deadline = time.monotonic() + 10
    while sum(next_offset.values()) < 480 and time.monotonic() < deadline:
        await seek_all(member)
        records = await member.poll(50, POLL_SECONDS)
        runs = [
            where for index, where in enumerate(map(place, records)) if not index or where != place(records[index - 1])
        ]
        assert len(runs) == len(set(runs)), "a partition came in several pieces"
        for where, found in group(records).items():
            start = next_offset[where]
            assert [record.offset for record in found] == list(range(start, start + len(found)))
            next_offset[where] += len(found)
    assert set(next_offset.values()) == {120}


async def a_busy_partition_does_not_starve_the_others(harness: BusHarness) -> None:
    """INVARIANT: a partition with an endless backlog leaves room for the others, in every batch size.

    Broken by serving partitions in a fixed order: one party's import would stop everybody else's warnings.
    """
    for most in (2, 100):
        bus, topic = await harness.bus(), await harness.topic(6)
        producer = await bus.producer()
        bound = max(harness.unfair_records, 10 * most)
        await producer.send(topic, 2, messages(2 * bound))
        for part in (0, 1, 3, 4, 5):
            await producer.send(topic, part, messages(1))
        member = await bus.consumer(unique("group"), [topic])
        served, busy = set[int](), 0
        while len(served) < 6 and busy < bound:
            await seek_all(member)
            records = await member.poll(most, 1)
            served |= {record.partition for record in records}
            busy += sum(record.partition == 2 for record in records)
        assert served == set(range(6)), f"after {busy} records of the busy partition"
        await member.close()


async def members_are_counted(harness: BusHarness) -> None:
    """INVARIANT: tools can tell that nobody consumes; a member that has left or died is one no more.

    Broken by a count of all who ever came.
    """
    first, second, name = await harness.topic(3), await harness.topic(), unique("group")
    victim, other = await harness.process(), await harness.bus()
    assert await other.members(name) == 0
    members = [await bus.consumer(name, [first, second]) for bus in (victim.bus, other)]
    await settle(members, lambda now: _shared(now, 4, 2), harness.handover_seconds)
    assert await other.members(name) == 2
    assert await other.members(unique("group")) == 0
    await victim.kill()
    await _has_members(1, other, name, harness.handover_seconds)
    await members[1].close()
    await _has_members(0, other, name, harness.handover_seconds)


async def _has_members(count: int, bus: Bus, name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (found := await bus.members(name)) != count:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


def texts_from(start: int, end: int) -> list[str]:
    """What `messages` from one number to another say."""
    return [f"m:{number}" for number in range(start, end)]


def _shared(assignments: Assignments, partitions: int, tolerance: int) -> bool:
    """Whether every partition has one owner and the members' numbers differ by no more than the tolerance."""
    sizes = [len(held) for held in assignments]
    owned = frozenset[TopicPartition]().union(*assignments)
    return sum(sizes) == len(owned) == partitions and max(sizes) - min(sizes) <= tolerance


CHECKS = (
    nothing_comes_before_seek,
    seek_moves_in_both_directions,
    seek_in_a_partition_not_held_is_ignored,
    a_killed_member_is_replaced_from_the_callers_positions,
    commit_is_only_a_hint,
    two_members_share_the_partitions,
    a_killed_member_hands_over_all,
    a_closed_member_hands_over_all,
    a_partition_that_comes_back_waits_for_seek,
    groups_do_not_disturb_each_other,
    members_are_counted,
    nothing_is_lost_while_members_come_and_go,
    a_poll_gives_at_most_what_was_asked_for,
    each_partition_comes_in_one_piece_and_in_order,
    a_busy_partition_does_not_starve_the_others,
)
