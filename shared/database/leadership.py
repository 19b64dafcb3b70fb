"""The session by which one process of several leads: it holds advisory locks, and the server ends it when it is silent.

A lock of a session outlives everything but the session. A process that stands still (stopped, swapped out, a hanging
disk) keeps its connections open for ever, and would lead for ever without doing anything.
"""

from typing import Final

import asyncpg

SILENT_SECONDS: Final = 20
"""Whoever leads says something more often; shorter would depose a leader whose event loop was busy once."""

CONNECT_SECONDS: Final = 10


async def leading_session(dsn: str, *, command_timeout: float) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection for locks that somebody else shall get when this process stands still."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=command_timeout,
        server_settings={"application_name": "forewarn", "idle_session_timeout": f"{SILENT_SECONDS}s"},
    )
