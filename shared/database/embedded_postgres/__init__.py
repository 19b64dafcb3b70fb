"""A PostgreSQL of our own from a wheel: started, adopted after a crash, stopped; a database and a role per service."""

from shared.database.embedded_postgres.server import EmbeddedPostgres, PostgresError

__all__ = ["EmbeddedPostgres", "PostgresError"]
