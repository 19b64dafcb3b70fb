"""Tests of connections, migrations and the embedded server."""
