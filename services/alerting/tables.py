"""The tables of the alerting service: the protocol's, and what judging keeps: states, dues, warnings, rule versions."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.messaging.customers import customer_tables
from shared.messaging.tables import INSTANT, consumer_tables, producer_tables

METADATA = MetaData()

producer_tables(METADATA)
consumer_tables(METADATA)
customer_tables(METADATA)

# Payments name invoices by key; every other look-up goes by party.
Index("held_document_invoice", METADATA.tables["held_document"].c.key, postgresql_where=text("kind = 'invoice'"))

# One row per party, locked in the order of ids by everyone who judges him or handles his warnings.
Table(
    "state",
    METADATA,
    Column("party", Uuid, primary_key=True),
    Column("source", Text),
    Column("external_id", Text),
    # Checkpoints and dues of the group he is the root of; null for everyone else.
    Column("data", LargeBinary),
    # J: the last day judged for absence, by kind; it stays with the party whatever his group.
    Column("order_day", Date),
    Column("payment_day", Date),
    Column("seeded_until", INSTANT),
    postgresql_with={"fillfactor": "60"},
)

# When a group must be judged although no document changes. May be too early, never too late: a day that only moved
# away is left as it is, so that an order does not write this row.
Table(
    "due",
    METADATA,
    Column("root", Uuid, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("part", SmallInteger, nullable=False),
    Column("settled", Date),
    Column("at", INSTANT),
    # Mark of the beats and letters known when the row was written or looked at: it need not be looked at twice.
    Column("looked", BigInteger, nullable=False),
    Index("due_settled", "settled", postgresql_where=text("settled is not null")),
    Index("due_at", "at", postgresql_where=text("at is not null")),
    postgresql_with={"fillfactor": "80"},
)

Table(
    "warning",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("root", Uuid, nullable=False),
    Column("scope", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("unjudged", Boolean, nullable=False),
    Column("tier", Text, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Column("handling", Text, nullable=False),
    Column("expires_at", INSTANT),
    Column("joined", Boolean, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index(
        "warning_firing",
        "root",
        "code",
        "scope",
        unique=True,
        postgresql_where=text("condition = 'firing' and not unjudged"),
    ),
    Index("warning_root", "root", "code", "scope", "id"),
    Index("warning_condition", "condition", "id"),
    Index("warning_code", "code", "id"),
    Index("warning_tier", "tier", "id"),
    Index("warning_handling", "handling", "id"),
    Index("warning_started_at", "started_at"),
    Index("warning_expires_at", "expires_at", postgresql_where=text("expires_at is not null")),
    postgresql_with={"fillfactor": "70"},
)

Table(
    "warning_member",
    METADATA,
    Column("party", Uuid, primary_key=True),
    Column("warning", Uuid, primary_key=True),
    Index("warning_member_warning", "warning"),
)

# What was said of a warning and done about it, as it was then.
Table(
    "transition",
    METADATA,
    Column("warning", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("handling", Text, nullable=False),
    Column("actor", Text),
    Column("numbers", JSONB, nullable=False),
)

Table(
    "rule_version",
    METADATA,
    Column("code", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("valid_from", INSTANT, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
)
