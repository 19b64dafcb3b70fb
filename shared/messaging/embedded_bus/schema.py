"""Tables of the bus's database, made and brought up to date by steps of their own: the bus is no service."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from shared.messaging.bus import BusError
from shared.messaging.embedded_bus.connection import Connection, bus_errors, connect, disconnect

MAX_PARTITIONS: Final = 1000
"""Far below the 16 bits that a partition has in the number of its lock."""

_STEPS: Final = (
    """
    create table topic (
        id smallint generated always as identity primary key,
        name text not null unique,
        partitions smallint not null check (partitions > 0)
    );
    -- One row per partition, updated by every append: half-empty pages keep the updates HOT.
    create table partition (
        topic smallint not null references topic,
        part smallint not null,
        next_offset bigint not null default 0,
        primary key (topic, part)
    ) with (fillfactor = 50);
    create table log (
        topic smallint not null,
        part smallint not null,
        "offset" bigint not null,
        key bytea,
        headers bytea not null,
        value bytea not null,
        primary key (topic, part, "offset")
    );
    -- EXTERNAL: no attempt to compress, and parts of a large value can be left unread.
    alter table log alter headers set storage external, alter value set storage external;
    create table consumer_group (
        id integer generated always as identity primary key,
        name text not null unique
    );
    -- How far a group says it is: for tools, never read back.
    create table committed (
        consumer_group integer not null references consumer_group,
        topic smallint not null,
        part smallint not null,
        next_offset bigint not null,
        committed_at timestamptz not null default now(),
        primary key (consumer_group, topic, part)
    ) with (fillfactor = 50);
    """,
)
"""Step n makes version n + 1. A released step is never edited; a change is a new step."""

_LOCK: Final = "select pg_advisory_xact_lock(hashtext('forewarn_bus_schema'))"
_VERSION_TABLE: Final = "create table if not exists schema_version (version integer not null)"
_TOPICS: Final = "select id, name, partitions from topic where name = any($1)"
_CREATE_TOPIC: Final = "insert into topic (name, partitions) values ($1, $2) returning id"
_CREATE_PARTITIONS: Final = "insert into partition (topic, part) select $1, generate_series(0, $2 - 1)"


class Topic(NamedTuple):
    """A topic as the database knows it."""

    id: int
    name: str
    partitions: int


async def create_schema(dsn: str) -> None:
    """Bring the bus's tables to what this version needs. Raises `BusError`, also if they are newer than that."""
    connection = await connect(dsn)
    try:
        with bus_errors():
            async with connection.transaction():
                await _upgrade(connection)
    finally:
        await disconnect(connection)


async def create_topics(connection: Connection, wanted: Mapping[str, int]) -> None:
    """Create what is missing, all or nothing; raises `BusError` on another number of partitions."""
    with bus_errors():
        async with connection.transaction():
            await connection.execute(_LOCK)
            held = await partitions_of(connection, list(wanted))
            for name, partitions in wanted.items():
                if held.get(name, partitions) != partitions:
                    raise BusError(wrong_number(name, held[name], partitions))
                if not 0 < partitions <= MAX_PARTITIONS:
                    raise BusError(f"topic {name} cannot have {partitions} partitions")
                if name not in held:
                    topic = await connection.fetchval(_CREATE_TOPIC, name, partitions)
                    await connection.execute(_CREATE_PARTITIONS, topic, partitions)


async def partitions_of(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """How many partitions those of the topics have that exist."""
    with bus_errors():
        return {row["name"]: row["partitions"] for row in await connection.fetch(_TOPICS, list(names))}


def wrong_number(name: str, partitions: int, wanted: int) -> str:
    """What is said of a topic with another number of partitions than it should have."""
    return (
        f"topic {name} has {partitions} partitions, not {wanted}; the number of an existing topic is never changed, "
        "documents would move to other partitions: republish into a new topic"
    )


async def find_topics(connection: Connection, names: Sequence[str]) -> dict[str, Topic]:
    """The topics of these names; raises `BusError` if one is unknown."""
    with bus_errors():
        found = {row["name"]: Topic(**row) for row in await connection.fetch(_TOPICS, list(names))}
    for name in names:
        if name not in found:
            raise BusError(f"there is no topic {name}")
    return found


async def _upgrade(connection: Connection) -> None:
    await connection.execute(_LOCK)
    await connection.execute(_VERSION_TABLE)
    version = await connection.fetchval("select coalesce(max(version), 0) from schema_version")
    if version > len(_STEPS):
        raise BusError(f"the bus's database has version {version}, this program knows {len(_STEPS)}")
    for step, script in enumerate(_STEPS[version:], start=version + 1):
        await connection.execute(script)
        await connection.execute("insert into schema_version values ($1)", step)
