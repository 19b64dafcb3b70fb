"""Brings a service's database to the schema its code expects (Alembic, configured in code), and finds differences.

A service's `migrations/` holds `env.py`, which calls `run_migrations`, and `versions/`, one file per revision.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import structlog
from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

LOCK: Final = 0x464F_5245_5741_524E
"""Advisory lock of the database being migrated ("FOREWARN"); jobs use other keys."""
LOCK_POLL_SECONDS: Final = 0.1
LOCK_TIMEOUT: Final = "10s"
"""A migration that waits longer for a table fails: all statements behind it in the queue would wait as well."""

log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """The database cannot be brought to the schema of this program."""


class Schema(Protocol):
    """What has tables and migrations: a service."""

    @property
    def name(self) -> str: ...

    @property
    def metadata(self) -> MetaData: ...

    @property
    def migrations(self) -> Path: ...


async def migrate(schema: Schema, dsn: str) -> list[str]:
    """Apply what is missing, each revision in its own transaction; return the revisions applied now, in order.

    Processes that migrate the same database at the same time wait for one another; the later one finds nothing to do.
    """
    applied: list[str] = []
    async with _alone(dsn), _engine(dsn) as engine, engine.connect() as connection:
        try:
            await connection.run_sync(_upgrade, schema, applied)
        except CommandError as error:
            raise MigrationError(f"the database of {schema.name} does not fit this program: {error}") from error
    log.info("migrated", schema=schema.name, applied=applied)
    return applied


async def pending(schema: Schema, dsn: str) -> list[str]:
    """Revisions this program has and the database has not, in order. Raises `MigrationError` if it has further ones."""
    script = ScriptDirectory.from_config(_config(schema))
    async with _engine(dsn) as engine, engine.connect() as connection:
        heads = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads())
    try:
        revisions = list(script.iterate_revisions("heads", heads or "base"))
    except RevisionError as error:
        message = f"the database of {schema.name} has revisions ({', '.join(heads)}) this program does not know"
        raise MigrationError(message) from error
    return [revision.revision for revision in reversed(revisions)]


async def drift(schema: Schema, dsn: str) -> list[str]:
    """Differences between the tables in the database and those in the code; empty if there are none.

    Alembic does not compare CHECK constraints, storage parameters and the conditions of partial indexes.
    """
    async with _engine(dsn) as engine, engine.connect() as connection:
        return await connection.run_sync(_differences, schema)


def run_migrations() -> None:
    """What every `env.py` calls: run the revisions on the connection that `migrate` has put into the configuration."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=attributes["metadata"],
        transaction_per_migration=True,
        on_version_apply=attributes["on_version_apply"],
    )
    with context.begin_transaction():
        context.run_migrations()


def _upgrade(connection: Connection, schema: Schema, applied: list[str]) -> None:
    def remember(*, step: Any, **_: Any) -> None:
        applied.append(step.up_revision_id)

    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    connection.commit()
    config = _config(schema)
    config.attributes.update(connection=connection, metadata=schema.metadata, on_version_apply=remember)
    command.upgrade(config, "heads")
    connection.commit()


def _differences(connection: Connection, schema: Schema) -> list[str]:
    options = {"compare_type": True, "compare_server_default": True}
    found = MigrationContext.configure(connection, opts=options)
    return [repr(difference) for difference in compare_metadata(found, schema.metadata)]


def _config(schema: Schema) -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    return config


@contextlib.asynccontextmanager
async def _alone(dsn: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(dsn)
    try:
        # Polled: a session waiting inside the statement holds a snapshot, for which CREATE INDEX CONCURRENTLY waits.
        while True:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                break
            await asyncio.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _engine(dsn: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    try:
        yield engine
    finally:
        await engine.dispose()
