"""Fixtures every test may use: one PostgreSQL server for the whole run, fresh databases in it."""

from collections.abc import Iterator

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from tests.support.postgres import FreshDatabase, create_database, drop_database, running_postgres

pytest_plugins = [
    "tests.protocol_model.report",
    "tests.support.left_out",
    "tests.support.reported",
    "tests.support.kafka_run",
]
"""Named here because the process that prints the summary of parallel workers reads no conftest further down."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL 18, started once for the run. Tests that stop or kill a server start one of their own."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[FreshDatabase]:
    """`fresh_database(name)` makes an empty database and returns its DSN; all of them are dropped after the test."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(create_database(postgres, name))
        return made[-1]

    yield make
    for dsn in made:
        drop_database(postgres, dsn)


@pytest.fixture
def database_dsn(fresh_database: FreshDatabase) -> str:
    """DSN of an empty database of this test's own."""
    return fresh_database("test")
