"""The PostgreSQL of a test run: one server, and as many fresh databases as tests ask for."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.database.embedded_postgres import EmbeddedPostgres

OWNER: Final = "test"
"""The role `forewarn_test` owns every fresh database, as a service's role owns its own."""

FreshDatabase = Callable[[str], str]
"""Makes an empty database whose name begins as told and returns its DSN."""

_numbers = itertools.count(1)


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data directory with a short path which the server's own user may enter; pytest's `tmp_path` is neither."""
    path = Path(tempfile.mkdtemp(prefix="fw-", dir="/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def running_postgres() -> Iterator[EmbeddedPostgres]:
    """A server that ends with the block; it does not wait for the disk."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir, durable=False)
        server.start()
        try:
            server.provision([OWNER])
            yield server
        finally:
            server.stop()


def create_database(server: EmbeddedPostgres, name: str, *, template: str = "template1") -> str:
    """Make a database, empty or a copy of `template` (to which nobody may be connected), and return its DSN."""
    unique = f"{name}_{os.getpid()}_{next(_numbers)}"
    server.execute(f'CREATE DATABASE "{unique}" OWNER forewarn_{OWNER} TEMPLATE "{template}"')
    return server.dsn(OWNER, database=unique)


def drop_database(server: EmbeddedPostgres, dsn: str) -> None:
    """Drop what `create_database` made; connections that are still open are cut."""
    server.execute(f'DROP DATABASE IF EXISTS "{database_name(dsn)}" WITH (FORCE)')


def database_name(dsn: str) -> str:
    """Name of the database in a DSN."""
    return dsn.rpartition("@/")[2].partition("?")[0]
