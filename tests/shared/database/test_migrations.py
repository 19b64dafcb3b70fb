"""Migrations: applied once, alone, found missing, and equal to the tables in the code."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, MetaData, Table, Text, text

from shared.database.migrations import MigrationError, drift, migrate, pending

ENV = '''\
"""Alembic runs this file."""

from shared.database.migrations import run_migrations

run_migrations()
'''

FIRST = '''\
"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "letter",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False, server_default=sa.text("''::bytea")),
    )
    op.create_index("letter_key", "letter", ["key"], postgresql_where=sa.text("key <> ''"))
'''

SECOND = '''\
"""An index without blocking writers."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("letter_id_key", "letter", ["id", "key"], postgresql_concurrently=True)
'''

FAILING = '''\
"""Two statements of which the second fails."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE TABLE half ()")
    op.execute("CREATE TABLE letter ()")
'''


@dataclass(frozen=True)
class Letters:
    """A service as far as migrations see one."""

    migrations: Path
    metadata: MetaData
    name: str = "letters"


def tables() -> MetaData:
    metadata = MetaData()
    Table(
        "letter",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("key", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False, server_default=text("''::bytea")),
        Index("letter_key", "key", postgresql_where=text("key <> ''")),
        Index("letter_id_key", "id", "key"),
    )
    return metadata


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    migrations = tmp_path / "100% migrations"
    (migrations / "versions").mkdir(parents=True)
    (migrations / "env.py").write_text(ENV)
    (migrations / "versions" / "0001_first.py").write_text(FIRST)
    (migrations / "versions" / "0002_index.py").write_text(SECOND)
    return Letters(migrations, tables())


class TestMigrate:
    async def test_reports_what_it_applied_in_order_and_nothing_the_second_time(
        self, letters: Letters, database_dsn: str
    ) -> None:
        assert await pending(letters, database_dsn) == ["0001", "0002"]
        assert await migrate(letters, database_dsn) == ["0001", "0002"]
        assert await pending(letters, database_dsn) == []
        assert await migrate(letters, database_dsn) == []

    async def test_of_several_at_once_one_does_the_work(self, letters: Letters, database_dsn: str) -> None:
        """INVARIANT: without the lock two replicas of a service that start together both run the first revision."""
        outcomes = await asyncio.gather(*(migrate(letters, database_dsn) for _ in range(4)))
        assert sorted(outcomes, key=len) == [[], [], [], ["0001", "0002"]]

    async def test_a_failing_revision_leaves_nothing_and_keeps_those_before_it(
        self, letters: Letters, database_dsn: str
    ) -> None:
        (letters.migrations / "versions" / "0002_index.py").write_text(FAILING)
        with pytest.raises(Exception, match="already exists"):
            await migrate(letters, database_dsn)
        assert await pending(letters, database_dsn) == ["0002"]
        connection = await asyncpg.connect(database_dsn)
        assert await connection.fetchval("SELECT to_regclass('half')") is None
        await connection.close()

    async def test_a_database_of_a_newer_program_is_refused(self, letters: Letters, database_dsn: str) -> None:
        await migrate(letters, database_dsn)
        (letters.migrations / "versions" / "0002_index.py").unlink()
        with pytest.raises(MigrationError, match=r"letters does not fit this program.*0002"):
            await migrate(letters, database_dsn)
        with pytest.raises(MigrationError, match="0002"):
            await pending(letters, database_dsn)


class TestDrift:
    async def test_a_migrated_database_has_none(self, letters: Letters, database_dsn: str) -> None:
        await migrate(letters, database_dsn)
        assert await drift(letters, database_dsn) == []

    async def test_a_forgotten_column_is_found(self, letters: Letters, database_dsn: str) -> None:
        await migrate(letters, database_dsn)
        letters.metadata.tables["letter"].append_column(Column("forgotten", Text))
        assert "forgotten" in str(await drift(letters, database_dsn))

    async def test_another_type_or_default_is_found(self, letters: Letters, database_dsn: str) -> None:
        await migrate(letters, database_dsn)
        connection = await asyncpg.connect(database_dsn)
        await connection.execute("ALTER TABLE letter ALTER COLUMN payload SET DEFAULT 'x'::bytea")
        await connection.execute("ALTER TABLE letter ALTER COLUMN key TYPE varchar(20)")
        await connection.close()
        assert len(await drift(letters, database_dsn)) == 2
