"""The tables of the notify service: those of the protocol as consumer, inbox lines, who was told and read what."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from shared.messaging.customers import customer_tables
from shared.messaging.tables import INSTANT, consumer_tables

METADATA = MetaData()

consumer_tables(METADATA)
customer_tables(METADATA)

Table(
    "inbox_line",
    METADATA,
    # Ids ascend in the order of commits, because all lines are written under one lock: streams resume by them.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("pushed", Boolean, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    # Not JSONB, which would forget the order of the figures.
    Column("numbers", JSON, nullable=False),
    # What follows is null in a summary, which is about no single warning.
    Column("warning", Uuid),
    Column("revision", Integer),
    Column("code", Text),
    Column("scope", Text),
    Column("tier", Text),
    Column("party", Uuid),
    Column("source", Text),
    Column("external_id", Text),
    Column("end_reason", Text),
    Index("inbox_line_recipient", "recipient", "id"),
    Index("inbox_line_summary", "started_at", unique=True, postgresql_where=text("told = 'summary'")),
)

Table(
    "inbox_read",
    METADATA,
    Column("person", Text, primary_key=True),
    # No foreign key: a summary that grows is another line, and ids are never used twice.
    Column("line", BigInteger, primary_key=True),
)

Table(
    "sent_log",
    METADATA,
    Column("warning", Uuid, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("highest", Text, nullable=False),
    Column("pushed", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)

Table(
    "seeded",
    METADATA,
    # Warnings that are true by declared history alone, by the seller's day on which they came: what a summary counts.
    Column("warning", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("day", Date, nullable=False),
    Index("seeded_day", "day"),
)
