"""Tables straight from the metadata, for tests that need no migrations."""

import asyncpg
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable


async def create_tables(dsn: str, metadata: MetaData) -> None:
    """Create every table and index of a service."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(";".join(statements))
    finally:
        await connection.close()
