"""Port: a partitioned log with consumer groups, in Kafka's terms. Positions are always the caller's, never the bus's.

Whoever implements it passes the conformance suite in `tests/contracts/`. Records are bytes; codecs live elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class TopicPartition(NamedTuple):
    """One ordered log."""

    topic: str
    partition: int


class Message(NamedTuple):
    """What a producer sends; keys may be null, header names repeat at the sender's risk."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """What a consumer gets: a message with its place in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Bounds(NamedTuple):
    """Offsets of the first record still there and of the record that comes next."""

    first: int
    next: int


class TopicState(NamedTuple):
    """What a topic is; None where a bus has no such notion."""

    topic: str
    partitions: int
    """0 if there is no such topic."""
    replication: int | None
    min_in_sync: int | None
    """Copies that have to have a record before it counts as sent."""
    retention: str | None
    """For how long history is kept; the history of documents has to be kept for ever."""
    differences: tuple[str, ...]
    """What is not as it should be, each with what to do about it."""


class BusError(Exception):
    """The bus did not do it, or it is not known whether it did. Drop the client, start again from what is stored."""


class BusRefused(BusError):
    """The bus answers and does not allow it: waiting mends nothing, whoever runs it has to give the right."""


class OffsetOutOfRange(BusError):
    """A position lies before the first or behind the last record of a partition."""

    def __init__(self, where: TopicPartition, offset: int) -> None:
        super().__init__(f"offset {offset} is not in {where.topic}/{where.partition}")
        self.where = where
        self.offset = offset


class BusProducer(Protocol):
    """Appends batches. After any error it is unusable: close it and ask the bus for another."""

    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        """Append all messages, in order, durably; return when that is acknowledged. Raises `BusError`."""
        ...

    async def close(self) -> None:
        """Give up what is in flight, within seconds, also when the bus is away."""
        ...


class BusConsumer(Protocol):
    """One member of a group. A partition just assigned yields nothing until the caller has said where to begin.

    A member the bus has expelled may not know it at once, and still return records another one has too: the caller's
    own cursor decides.
    """

    async def unpositioned(self) -> frozenset[TopicPartition]:
        """Partitions assigned to this member that wait for `seek`, also those lost and assigned again."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """Partitions this member holds now."""
        ...

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Make `offset` the next record of that partition. Ignored for a partition the member has lost."""
        ...

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """At most `max_records` records, each partition's in order without holes, or [] after `timeout` seconds.

        Raises `OffsetOutOfRange` and `BusError`; after either, seek every partition again.
        """
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the bus how far the group is: a hint for tools, never read back. Failure is not an error."""
        ...

    async def close(self) -> None:
        """Leave the group, within seconds, also when the bus is away."""
        ...


class Bus(Protocol):
    """A log one can send to and read from."""

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        """Create what is missing; returns what who operates the bus should know and need not mend.

        Raises `BusError` if a topic exists with another number of partitions, or is otherwise not fit to hold
        documents. Changes nothing that exists.
        """
        ...

    async def describe_topics(self, topics: Mapping[str, int]) -> list[TopicState]:
        """What these topics are, and how that differs from what `create_topics` makes with so many partitions."""
        ...

    async def producer(self) -> BusProducer:
        """A new producer; raises `BusError` when the bus is away."""
        ...

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        """A new member of `group`; raises `BusError` when the bus is away."""
        ...

    async def members(self, group: str) -> int:
        """How many members a group has, for tools; one that died is counted until the bus has noticed."""
        ...

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """First and next offset of every partition."""
        ...

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        """Look at records outside any group, for tools."""
        ...

    async def close(self) -> None:
        """Close everything this bus opened."""
        ...
