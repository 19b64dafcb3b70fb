"""Databases that are away, of another version, with wrong rights or another time."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import asyncpg
import pytest

from forewarn.doctor import databases
from forewarn.doctor.findings import Finding, Patient, examine
from services.notify.service import SERVICE
from shared.clock import Clock, SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.database.migrations import migrate
from shared.ids import Uuid7Ids
from shared.messaging.embedded_bus import EmbeddedBus
from shared.settings import Settings
from tests.support.postgres import FreshDatabase, database_name
from tests.support.stage import StoppedClock

_numbers: Final = itertools.count(1)


def context_of(dsn: str, clock: Clock) -> Context:
    database = Database(dsn, clock=clock, ids=Uuid7Ids())
    return Context(service="notify", database=database, settings=Settings(), clock=clock, ids=Uuid7Ids())


async def look(dsn: str, *, others: tuple[str, ...] = (), clock: Clock | None = None) -> dict[str, Finding]:
    """What is found of a database, by code."""
    clock = clock or SystemClock()
    context, bus = context_of(dsn, clock), EmbeddedBus(dsn)
    patient = Patient(SERVICE, context, bus, tuple(context_of(other, clock) for other in others), embedded=False)
    try:
        found = await examine(patient, [databases.reachable]) or await examine(patient, databases.CHECKS)
    finally:
        await context.database.close()
    return {finding.code: finding for finding in found}


@pytest.fixture
async def migrated(database_dsn: str) -> str:
    await migrate(SERVICE, database_dsn)
    return database_dsn


@pytest.fixture
def role(postgres: EmbeddedPostgres, database_dsn: str) -> Iterator[str]:
    """A role that may do nothing."""
    name = f"nobody_{next(_numbers)}"
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    yield name
    postgres.execute(f"DROP OWNED BY {name}; DROP ROLE {name}", database=database_name(database_dsn))


def as_role(dsn: str, role: str, password: str = "x") -> str:
    return f"postgresql://{role}:{password}@{dsn.partition('@')[2]}"


class TestReachable:
    async def test_a_sound_one_has_nothing_wrong(self, migrated: str) -> None:
        assert await look(migrated) == {}

    async def test_nobody_listens(self) -> None:
        found = await look("postgresql://notify:geheim@127.0.0.1:1/notify")
        assert set(found) == {"database_away"}
        assert "FOREWARN_DATABASE_URL_NOTIFY" in found["database_away"].remedy
        assert "geheim" not in str(found)

    @pytest.mark.parametrize("url", ["notify", "mysql://notify:geheim@db/notify"])
    async def test_a_url_that_is_none_is_said(self, url: str) -> None:
        found = await look(url)
        assert set(found) == {"database_away"}
        assert "geheim" not in str(found)

    async def test_a_wrong_password_a_missing_database_a_missing_right(self, database_dsn: str, role: str) -> None:
        missing = database_dsn.replace(database_name(database_dsn), "nowhere")
        for dsn in (as_role(database_dsn, role, "wrong"), missing):
            assert set(await look(dsn)) == {"database_refuses"}


class TestMigrated:
    async def test_a_database_that_lacks_revisions(self, database_dsn: str) -> None:
        found = await look(database_dsn)
        assert "database_behind" in found
        assert found["database_behind"].remedy == "forewarn migrate"

    async def test_a_database_of_a_newer_program(self, migrated: str) -> None:
        connection = await asyncpg.connect(migrated)
        await connection.execute("update alembic_version set version_num = '9999'")
        await connection.close()
        assert set(await look(migrated)) == {"database_ahead"}


class TestRights:
    async def test_a_role_that_may_too_little(self, migrated: str, postgres: EmbeddedPostgres, role: str) -> None:
        name = database_name(migrated)
        postgres.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {role}')
        grants = f"GRANT SELECT, INSERT, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}"
        postgres.execute(f"GRANT USAGE ON SCHEMA public TO {role}; {grants}", database=name)
        found = await look(as_role(migrated, role))
        assert set(found) == {"role_too_weak"}
        assert "UPDATE" in found["role_too_weak"].problem
        assert "cursor" in found["role_too_weak"].problem
        postgres.execute(f"GRANT UPDATE ON ALL TABLES IN SCHEMA public TO {role}", database=name)
        assert await look(as_role(migrated, role)) == {}

    async def test_a_superuser(self, migrated: str, postgres: EmbeddedPostgres) -> None:
        found = await look(postgres.superuser_dsn(database_name(migrated)))
        assert set(found) == {"role_too_strong"}

    async def test_a_role_that_can_read_other_services(self, migrated: str, fresh_database: FreshDatabase) -> None:
        """INVARIANT: whoever breaks into one service must not read the others'."""
        other = fresh_database("other")
        found = await look(migrated, others=(other,))
        assert set(found) == {"role_too_strong"}
        assert database_name(other) in found["role_too_strong"].problem


class TestClock:
    async def test_one_that_differs(self, migrated: str) -> None:
        for off, codes in ((timedelta(seconds=-5), {"clocks_differ"}), (timedelta(seconds=5), {"clocks_differ"})):
            assert set(await look(migrated, clock=StoppedClock(SystemClock().now() + off))) == codes
