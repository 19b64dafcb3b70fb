"""The protocol's tables, made once per service on the service's own metadata. Who writes them stands beside each."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

INSTANT = DateTime(timezone=True)


def producer_tables(metadata: MetaData) -> None:
    """`document`: what this service is the authority for (DocumentStore); `outbox`: rows for the bus (Relay).

    `incarnation`: which life of the database this is; `republication`: runs over all documents, asked for and done.
    """
    Table(
        "document",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("source_revision", BigInteger),
        Column("reason", Text, nullable=False),
        Column("party", Uuid),
        Column("other_party", Uuid),
        Column("at", INSTANT, nullable=False),
        Column("currency", Text, nullable=False),
        Column("amount", BigInteger, nullable=False),
        Column("live", Boolean, nullable=False),
        Column("recorded_at", INSTANT, nullable=False),
        Column("data", LargeBinary, nullable=False),
        UniqueConstraint("kind", "key"),
        Index("document_party", "party", "kind", "at"),
        Index("document_other_party", "other_party", "kind", postgresql_where=text("other_party is not null")),
        Index("document_kind_id", "kind", "id"),
    )
    Table(
        "outbox",
        metadata,
        # CACHE 1 (the default): with more, a beat could get a lower id than a document it covers.
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("part", SmallInteger, nullable=False),
        Column("key", Uuid),
        Column("headers", LargeBinary, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Index("outbox_pkey", "part", "id", unique=True),
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "20000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    Table(
        "incarnation",
        metadata,
        Column("one", Boolean, primary_key=True),
        Column("system_identifier", BigInteger, nullable=False),
        Column("timeline", Integer, nullable=False),
        Column("epoch", Integer, nullable=False),
    )
    Table(
        "republication",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("epoch", Integer, nullable=False),
        Column("restored", Boolean, nullable=False),
        Column("whole", Boolean, nullable=False),
        Column("requested_at", INSTANT, nullable=False),
        Column("begun_at", INSTANT),
        Column("last", Uuid),
        Column("documents", BigInteger, nullable=False),
        Column("completed_at", INSTANT),
        Column("confirmed_at", INSTANT),
    )


def consumer_tables(metadata: MetaData) -> None:
    """Cursor and dead letters (Consumer), held documents and deliveries of parties (projection), beats (horizon).

    `marker`: what markers said in each partition, and whether absence must wait for a republication there (markers).

    Of a held document `until` is the latest business time it speaks of, `known_at` when its first revision known here
    was recorded.
    """
    Table(
        "cursor",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("part", SmallInteger, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
        postgresql_with={"fillfactor": "50"},
    )
    Table(
        "held_document",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("party", Uuid),
        Column("other_party", Uuid),
        Column("at", INSTANT, nullable=False),
        Column("until", INSTANT, nullable=False),
        Column("currency", Text, nullable=False),
        Column("amount", BigInteger, nullable=False),
        Column("live", Boolean, nullable=False),
        Column("known_at", INSTANT, nullable=False),
        Column("recorded_at", INSTANT, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Index("held_document_party", "party", "until"),
        Index("held_document_other_party", "other_party", "until", postgresql_where=text("other_party is not null")),
        postgresql_with={"fillfactor": "90"},
    )
    Table(
        "party_source",
        metadata,
        Column("party", Uuid, primary_key=True),
        Column("of", Text, primary_key=True),
        Column("source", Text, primary_key=True),
    )
    Table(
        "beat",
        metadata,
        Column("source", Text, primary_key=True),
        Column("of", Text, primary_key=True),
        Column("part", SmallInteger, primary_key=True),
        Column("epoch", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("coverage", Text, nullable=False),
        Column("rhythm_hours", Integer),
        Column("activated_at", INSTANT, nullable=False),
        Column("retired_at", INSTANT),
        Column("complete_until", INSTANT),
        Column("recorded_at", INSTANT, nullable=False),
    )
    Table(
        "dead_letter",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("part", SmallInteger, primary_key=True),
        Column("offset", BigInteger, primary_key=True),
        Column("key", LargeBinary),
        Column("headers", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("party", Uuid),
        Column("kind", Text),
        Column("document", Uuid),
        Column("epoch", Integer),
        Column("revision", Integer),
        Column("code", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("stored_at", INSTANT, nullable=False),
        Column("resolved_at", INSTANT),
        Index("dead_letter_open", "party", postgresql_where=text("resolved_at is null")),
    )
    Table(
        "marker",
        metadata,
        Column("producer", Text, primary_key=True),
        Column("part", SmallInteger, primary_key=True),
        Column("closed", Boolean, nullable=False),
        Column("wanted_epoch", Integer, nullable=False),
        Column("wanted_number", Integer, nullable=False),
        Column("begun_epoch", Integer),
        Column("begun_number", Integer),
        Column("complete_epoch", Integer, nullable=False),
        Column("confirmed_epoch", Integer, nullable=False),
    )
