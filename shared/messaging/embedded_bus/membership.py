"""Who of a group has which partitions: session advisory locks, so whoever dies loses his with his connection.

Per group and topic: a shared lock says "I am a member", an exclusive one per partition "it is mine". Everybody reads
all locks of the group now and then, gives up what exceeds his fair share and takes what is free.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from shared.messaging.bus import BusError, TopicPartition
from shared.messaging.embedded_bus.connection import Connection, bus_errors
from shared.messaging.embedded_bus.schema import Topic

_GROUP: Final = """
insert into consumer_group (name) values ($1) on conflict (name) do update set name = excluded.name returning id
"""
_MEMBERS: Final = """
select count(distinct pid) from pg_locks
where locktype = 'advisory' and objsubid = 2 and mode = 'ShareLock' and granted
    and classid::bigint = (select id from consumer_group where name = $1)
    and database = (select oid from pg_database where datname = current_database())
"""
_JOIN: Final = "select pg_advisory_lock_shared($1, lock) from unnest($2::int[]) as lock"
_LOCKS: Final = """
select objid::bigint as lock, pid from pg_locks
where locktype = 'advisory' and objsubid = 2 and classid::bigint = $1 and granted
    and database = (select oid from pg_database where datname = current_database())
"""
_TAKE: Final = "select lock from unnest($2::int[]) as lock where pg_try_advisory_lock($1, lock)"
_GIVE_UP: Final = "select pg_advisory_unlock($1, lock) from unnest($2::int[]) as lock"


class Membership:
    """One member's part in its group, bound to the life of its connection."""

    def __init__(self, connection: Connection, group: int, topics: Collection[Topic]) -> None:
        self._connection = connection
        self.group = group
        self._topics = topics
        self._pid = connection.get_server_pid()
        self._places: Mapping[int, TopicPartition] = {
            _membership_lock(topic) + 1 + part: TopicPartition(topic.name, part)
            for topic in topics
            for part in range(topic.partitions)
        }

    async def rebalance(self) -> frozenset[TopicPartition]:
        """Give up what is too much, take what is free up to the fair share; returns what this member then holds."""
        with bus_errors():
            holders: dict[int, list[int]] = defaultdict(list)
            for lock, pid in await self._connection.fetch(_LOCKS, self.group):
                holders[lock].append(pid)
            held, surplus, wanted = set[int](), list[int](), list[int]()
            for topic in self._topics:
                mine, share, free = self._standing(topic, holders)
                held.update(mine[:share])
                surplus += mine[share:]
                wanted += free[: share - len(mine)] if share > len(mine) else []
            if surplus:
                await self._connection.execute(_GIVE_UP, self.group, surplus)
            if wanted:
                held.update(row["lock"] for row in await self._connection.fetch(_TAKE, self.group, wanted))
        return frozenset(self._places[lock] for lock in held)

    def _standing(self, topic: Topic, holders: Mapping[int, list[int]]) -> tuple[list[int], int, list[int]]:
        """The locks held on a topic's partitions, how many that should be, and those nobody holds."""
        membership = _membership_lock(topic)
        locks = range(membership + 1, membership + 1 + topic.partitions)
        members = sorted(holders[membership])
        if self._pid not in members:
            raise BusError("the lock that made this session a member is lost")
        # Turned by the topic's number, or the first member would get the odd partition of every topic.
        rank = (members.index(self._pid) + topic.id) % len(members)
        share = len(locks) // len(members) + (rank < len(locks) % len(members))
        mine = [lock for lock in locks if self._pid in holders[lock]]
        free = [lock for lock in locks if not holders[lock]]
        # Members who come together begin at different places, so that they do not all try the same ones.
        start = rank * len(free) // len(members)
        return mine, share, free[start:] + free[:start]


async def join(connection: Connection, name: str, topics: Collection[Topic]) -> Membership:
    """Become a member of the group on this connection; it has no partitions yet."""
    with bus_errors():
        group = await connection.fetchval(_GROUP, name)
        await connection.execute(_JOIN, group, [_membership_lock(topic) for topic in topics])
    return Membership(connection, group, topics)


async def count(connection: Connection, name: str) -> int:
    """How many members a group has."""
    with bus_errors():
        return int(await connection.fetchval(_MEMBERS, name))


def _membership_lock(topic: Topic) -> int:
    return topic.id << 16
