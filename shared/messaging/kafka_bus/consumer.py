"""One member of a group: partitions by the group's word, positions by `seek`, records by poll.

Members agree anew whenever one comes or goes. Partitions that come straight back keep their position; all others are
withheld until they are sought.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import aiokafka
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from shared.messaging.bus import Bounds, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.messaging.kafka_bus import clients
from shared.messaging.kafka_bus.assignor import Claim, StickyShares
from shared.messaging.kafka_bus.errors import bus_errors, end_tasks, within
from shared.messaging.kafka_bus.limits import METADATA_MILLISECONDS, Limits
from shared.messaging.kafka_bus.records import record_of
from shared.messaging.kafka_bus.settings import KafkaSettings
from shared.messaging.kafka_bus.silence import Silence

HEARTBEAT_SECONDS: Final = 1.0
"""How soon a member hears that others came or went, or that it was expelled."""

FETCH_WAIT_SECONDS: Final = 0.1
"""What a broker may wait for records. What is appended wakes it at once, but a partition just sought, or just emptied,
is asked for only after the question under way has been answered."""

IDLE_SECONDS: Final = 300
"""A member that does not poll for this long has hung and gives up its partitions."""

Look = Callable[[Sequence[str]], Awaitable[dict[TopicPartition, Bounds]]]
Forget = Callable[["KafkaConsumer"], None]

log = structlog.get_logger(__name__)


class KafkaConsumer:
    """A member of a group; after a `BusError` it holds nothing and has to be replaced."""

    def __init__(
        self, client: AIOKafkaConsumer, assignor: StickyShares, look: Look, limits: Limits, forget: Forget
    ) -> None:
        self._client = client
        self._assignor = assignor
        self._look = look
        self._limits = limits
        self._forget = forget
        self._failed: BusError | None = None
        self._held: frozenset[TopicPartition] = frozenset()
        self._membership = ("", -1)
        self._joining_since: float | None = time.monotonic()
        self._positions: dict[TopicPartition, int] = {}
        self._changed = asyncio.Event()
        self._silence = Silence(limits.stalled)
        self._looking: asyncio.Task[None] | None = None
        self._hints: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def join(self, topics: Sequence[str]) -> None:
        """Ask the group for partitions; they come when the others have agreed."""
        self._client.subscribe(topics, listener=_Rebalances(self))

    async def unpositioned(self) -> frozenset[TopicPartition]:
        """Partitions assigned to this member that wait for `seek`, also those lost and assigned again."""
        self._check()
        self._changed.clear()
        return self.assignment().difference(self._positions)

    def assignment(self) -> frozenset[TopicPartition]:
        """Partitions this member holds now; none while the group agrees anew."""
        return frozenset() if self._joining_since is not None or self._failed is not None else self._held

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Make `offset` the next record of that partition. Ignored for a partition the member has lost."""
        if where not in self._held or self._failed is not None:
            return
        self._positions[where] = offset
        # While the group agrees anew nobody knows yet whether the partition is lost: `assigned` looks.
        if self._joining_since is None:
            self._begin(where)

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """At most `max_records` records; [] after `timeout` seconds, or earlier when partitions came or went.

        After a cancel too every partition has to be sought again.
        """
        deadline = time.monotonic() + timeout
        try:
            self._check()
            self._watch()
            records = await self._drain(max_records)
            left = deadline - time.monotonic()
            if not records and left > 0 and not self._changed.is_set():
                records = await self._wait(max_records, left)
            self._check()
        except OffsetOutOfRangeError as error:
            self._withhold_all()
            ((where, offset),) = error.args[0].items()
            raise OffsetOutOfRange(TopicPartition(*where), offset) from error
        except BaseException as error:
            self._withhold_all()
            if isinstance(error, KafkaError):
                self._fail(BusError(str(error)))
            with bus_errors():
                raise
        if not records:
            self._changed.clear()
        return records

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the bus how far the group is, soon, without waiting for it: the coordinator may be away for seconds."""
        self._hints.update(offsets)
        if self._hints and self._failed is None and (self._committing is None or self._committing.done()):
            self._committing = asyncio.create_task(self._commit())

    async def close(self) -> None:
        """Leave the group, within seconds, also when the bus is away."""
        self._fail(BusError("the member is closed"))
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
            self._ending.add_done_callback(lambda _: self._forget(self))
        await asyncio.shield(self._ending)

    def revoked(self) -> None:
        """The group agrees anew: until it has, nothing is held."""
        self._joining_since = time.monotonic()
        self._changed.set()

    def assigned(self, places: Iterable[TopicPartition]) -> None:
        """The group has agreed. What this member had and still has goes on where it was."""
        member, generation = self._membership
        self._membership = clients.membership_of(self._client)
        # In between there was another agreement, or this member was expelled: somebody else may have read on.
        stayed = self._membership == (member, generation + 1)
        before, self._held = self._held if stayed else frozenset(), frozenset(places)
        kept = before & self._held
        self._positions = {where: offset for where, offset in self._positions.items() if where in kept}
        self._assignor.claim = Claim(self._membership[1], tuple(sorted(self._held)))
        self._joining_since = None
        for where in self._held:
            if where in self._positions:
                self._begin(where)
            else:
                self._withhold(where)
        self._changed.set()

    def _begin(self, where: TopicPartition) -> None:
        self._client.seek(_theirs(where), self._positions[where])
        self._client.resume(_theirs(where))
        self._silence.heard([where])

    def _withhold(self, where: TopicPartition) -> None:
        # The client asks the group where to begin in a partition without a position, also in one that is paused.
        self._client.seek(_theirs(where), 0)
        self._client.pause(_theirs(where))

    def _withhold_all(self) -> None:
        for where in self._positions:
            if self._joining_since is None:
                self._withhold(where)
        self._positions.clear()

    async def _drain(self, max_records: int) -> list[Record]:
        """What was fetched already, one partition after the other; those served come last the next time."""
        records: list[Record] = []
        for where in list(self._positions):
            if len(records) >= max_records or self._joining_since is not None:
                break
            records += await self._fetch(max_records - len(records), 0, where)
        return records

    async def _wait(self, max_records: int, seconds: float) -> list[Record]:
        fetching = asyncio.create_task(self._fetch(max_records, seconds))
        changed = asyncio.create_task(self._changed.wait())
        try:
            # The client ends its wait itself, unless the group agrees anew, for as long as that takes.
            await asyncio.wait({fetching, changed}, timeout=seconds + 0.05, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks({fetching, changed})
        return [] if fetching.cancelled() or not fetching.done() else fetching.result()

    async def _fetch(self, max_records: int, seconds: float, *places: TopicPartition) -> list[Record]:
        only = [_theirs(where) for where in places]
        try:
            fetched = await self._client.getmany(*only, timeout_ms=int(seconds * 1000), max_records=max_records)
        except BaseException:
            clients.nobody_fetches(self._client)
            raise
        # From the client's step to here nothing else runs, or a rebalance would see the positions of before.
        records: list[Record] = []
        for where, found in fetched.items():
            place = TopicPartition(*where)
            records += [record_of(record) for record in found]
            self._positions.pop(place, None)
            self._positions[place] = found[-1].offset + 1
            self._silence.heard([place])
        return records

    def _watch(self) -> None:
        """Look for the states in which the client does nothing for ever."""
        if self._joining_since is not None:
            if time.monotonic() - self._joining_since > self._limits.stalled + self._limits.rebalance:
                self._fail(BusError("the group has not agreed on its members' partitions"))
            return
        answers = {where: self._client.last_poll_timestamp(_theirs(where)) for where in self._positions}
        overdue = self._silence.overdue(answers)
        if overdue and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look_for_missed(overdue))

    async def _look_for_missed(self, overdue: Sequence[TopicPartition]) -> None:
        try:
            bounds = await self._look(sorted({where.topic for where in overdue}))
        except BusError as error:
            # Nobody gets an answer: it is not this client's fault.
            log.warning("bus_silent", partitions=len(overdue), error=str(error))
            self._silence.heard(overdue)
            return
        missed = [where for where in overdue if bounds[where].next > self._positions.get(where, bounds[where].next)]
        self._silence.heard(overdue)
        if missed:
            self._fail(BusError(f"no answer for {self._limits.stalled:g} s about {missed[0]}, which has more records"))

    async def _commit(self) -> None:
        while self._hints:
            hints, self._hints = self._hints, {}
            held = {_theirs(where): offset for where, offset in hints.items() if where in self.assignment()}
            if not held:
                continue
            try:
                with bus_errors():
                    await within(self._limits.answer, self._client.commit(held))
            except BusError as error:
                log.info("commit_hint_lost", error=str(error))

    async def _end(self) -> None:
        if self._committing is not None:
            await asyncio.wait({self._committing}, timeout=self._limits.close)
        await end_tasks({task for task in (self._committing, self._looking) if task is not None})
        await clients.end_consumer(self._client, self._limits)

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _fail(self, error: BusError) -> None:
        self._failed = self._failed or error
        self._positions.clear()
        self._changed.set()


class _Rebalances(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Passes on what the group decides; both calls come between two steps of everything else."""

    def __init__(self, member: KafkaConsumer) -> None:
        self._member = member

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - always all of them
        self._member.revoked()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._member.assigned(TopicPartition(*where) for where in assigned)


async def join_group(
    group: str, topics: Sequence[str], look: Look, settings: KafkaSettings, limits: Limits, forget: Forget
) -> KafkaConsumer:
    """A new member; raises `BusError` when the bus is away or has no such topic."""
    assignor = StickyShares()
    with bus_errors():
        client = AIOKafkaConsumer(
            **settings.connection(),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # Records of transactions that were broken off are nobody's. Without transactions it changes nothing.
            isolation_level="read_committed",
            partition_assignment_strategy=(assignor,),
            fetch_max_wait_ms=int(FETCH_WAIT_SECONDS * 1000),
            session_timeout_ms=settings.session_seconds * 1000,
            heartbeat_interval_ms=int(HEARTBEAT_SECONDS * 1000),
            rebalance_timeout_ms=int(limits.rebalance * 1000),
            max_poll_interval_ms=IDLE_SECONDS * 1000,
            request_timeout_ms=int(max(limits.request, limits.rebalance + 5) * 1000),
            metadata_max_age_ms=METADATA_MILLISECONDS,
        )
    try:
        # Started without topics: `start` would wait until the group has agreed, however long that takes.
        await clients.start(client, settings, limits)
        with bus_errors():
            await within(limits.answer, clients.partitions_of(clients.client_of(client), topics))
        member = KafkaConsumer(client, assignor, look, limits, forget)
        member.join(topics)
    except BaseException:
        await clients.end_consumer(client, limits)
        raise
    return member


def _theirs(where: TopicPartition) -> Any:
    return aiokafka.TopicPartition(*where)
