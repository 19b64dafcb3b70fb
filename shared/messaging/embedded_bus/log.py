"""The log itself: appending to partitions and reading from positions, one statement each. Knows no groups."""

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import asyncpg
import msgspec

from shared.messaging.bus import BusError, Message, OffsetOutOfRange, Record, TopicPartition
from shared.messaging.embedded_bus.connection import Connection, bus_errors
from shared.messaging.embedded_bus.schema import Topic

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of values in one read, give or take the last record of each partition: 2000 records may have 1 MB each."""

Headers = tuple[tuple[str, bytes], ...]


class Batch(NamedTuple):
    """Messages for one partition, to be appended in order and in one piece."""

    topic: Topic
    partition: int
    messages: Sequence[Message]


# Offsets are handed out under the partition's row lock, held to the commit: the order of offsets is that of commits and
# there are no gaps, so `offset >= position` misses nothing. One statement: a client that freezes holds no lock.
# The rows are locked in the order of their key, or two producers could wait for one another.
_APPEND: Final = """
with wanted as materialized (
    select * from unnest($1::smallint[], $2::smallint[], $3::int[]) with ordinality as w (topic, part, count, slot)
), locked as materialized (
    select topic, part from partition join wanted using (topic, part)
    order by topic, part for no key update of partition
), moved as (
    update partition set next_offset = next_offset + wanted.count
    from wanted join locked using (topic, part)
    where partition.topic = wanted.topic and partition.part = wanted.part
    returning partition.topic, partition.part, slot, next_offset - wanted.count as base
)
insert into log (topic, part, "offset", key, headers, value)
select moved.topic, moved.part, moved.base + m.place, m.key, m.headers, m.value
from unnest($4::int[], $5::int[], $6::bytea[], $7::bytea[], $8::bytea[]) as m (slot, place, key, headers, value)
join moved using (slot)
"""

# A partition gets an equal share of the records asked for, and what others leave of theirs in the order given.
# Out of range (behind the end, or history deleted) shows as a row without offset or as a first offset that differs.
_READ: Final = """
with waiting as (
    select slot, topic, part, position, greatest(next_offset - position, 0) as waiting
    from unnest($1::smallint[], $2::smallint[], $3::bigint[]) with ordinality as asked (topic, part, position, slot)
    join partition using (topic, part)
    where next_offset <> position
    order by slot limit $4
), shared as (
    select *, least(waiting, greatest($4::int / count(*) over (), 1)) as share from waiting
), granted as (
    select *, share + greatest(0, least(
        waiting - share,
        $4::int - sum(share) over () - (sum(waiting - share) over (order by slot) - (waiting - share))
    )) as granted
    from shared
)
select granted.slot, log."offset", log.key, log.headers, log.value
from granted left join lateral (
    select * from (
        select *, sum(octet_length(value)) over (order by "offset" rows between unbounded preceding and 1 preceding)
            as bytes_before
        from log where log.topic = granted.topic and log.part = granted.part and "offset" >= granted.position
        order by "offset" limit granted.granted
    ) as sized where bytes_before is null or bytes_before * $4 < granted.granted * $5::bigint
) as log on true
"""

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(Headers).decode
_slot = operator.itemgetter(0)


async def append(connection: Connection, batches: Sequence[Batch]) -> None:
    """Append all batches in one transaction; those of one partition stay in the order given. Raises `BusError`."""
    slots: dict[tuple[int, int], int] = {}
    counts: list[int] = []
    row_slots: list[int] = []
    places: list[int] = []
    messages: list[Message] = []
    for batch in batches:
        slot = slots.setdefault((batch.topic.id, batch.partition), len(slots) + 1)
        if slot > len(counts):
            counts.append(0)
        start, size = counts[slot - 1], len(batch.messages)
        row_slots += [slot] * size
        places += range(start, start + size)
        messages += batch.messages
        counts[slot - 1] += size
    with bus_errors():
        status = await connection.execute(
            _APPEND,
            [topic for topic, _ in slots],
            [part for _, part in slots],
            counts,
            row_slots,
            places,
            [message.key for message in messages],
            [_encode_headers(message.headers) if message.headers else b"" for message in messages],
            [message.value for message in messages],
        )
    if status != f"INSERT 0 {len(messages)}":
        raise BusError(f"{status} instead of {len(messages)} records: a partition is missing")


async def read(
    connection: Connection, topics: Mapping[str, Topic], positions: Mapping[TopicPartition, int], max_records: int
) -> tuple[list[Record], dict[TopicPartition, int]]:
    """Records from the positions on, each partition's in one piece, and where those read go on.

    Raises `BusError`, and `OffsetOutOfRange` if a position lies outside the log.
    """
    asked = list(positions.items())
    with bus_errors():
        rows = await connection.fetch(
            _READ,
            [topics[where.topic].id for where, _ in asked],
            [where.partition for where, _ in asked],
            [position for _, position in asked],
            max_records,
            MAX_BYTES,
        )
    records: list[Record] = []
    ends: dict[TopicPartition, int] = {}
    for slot, partition_rows in itertools.groupby(rows, _slot):
        where, position = asked[slot - 1]
        records += _records(where, position, partition_rows)
        ends[where] = records[-1].offset + 1
    return records, ends


def _records(where: TopicPartition, position: int, rows: Iterable[asyncpg.Record]) -> Iterator[Record]:
    topic, partition = where
    for place, (_, offset, key, headers, value) in enumerate(rows, start=position):
        if offset != place:
            raise OffsetOutOfRange(where, place)
        yield Record(topic, partition, offset, key, value, _decode_headers(headers) if headers else ())
