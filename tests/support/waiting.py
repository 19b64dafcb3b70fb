"""Waiting for something that other tasks bring about: until it is so, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_SECONDS: Final = 30


async def eventually(fact: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as the fact holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await fact():
        assert time.monotonic() < deadline, f"not so within {PATIENCE_SECONDS} seconds"
        await asyncio.sleep(0.02)
