"""PostgreSQL: connections, the unit of work, the natural-batching writer, migrations, the embedded server."""
