"""Long-running asyncio tasks: what they look like, and how one is begun again when it fails."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import structlog

Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Works until the event is set, then returns within seconds."""

FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
SOUND_SECONDS: Final = 60.0
"""Who has run that long before he failed starts again with the first delay."""

log = structlog.get_logger(__name__)


class Task(NamedTuple):
    """A named piece of work without an end."""

    name: str
    run: Run


class Backoff:
    """Delays between attempts: doubled with each, back to the first after a sound run."""

    def __init__(self) -> None:
        self._next = FIRST_DELAY_SECONDS

    def after(self, ran_seconds: float) -> float:
        """How long to wait after a run that lasted `ran_seconds`."""
        delay = FIRST_DELAY_SECONDS if ran_seconds >= SOUND_SECONDS else self._next
        self._next = min(delay * 2, LONGEST_DELAY_SECONDS)
        return delay


async def keep_running(task: Task, stop: asyncio.Event) -> None:
    """Run a task until `stop`, again after every failure or early end.

    A cancellation that nobody asked for goes through: the process can no longer be trusted and has to end.
    """
    structlog.contextvars.bind_contextvars(task=task.name)
    backoff = Backoff()
    now = asyncio.get_running_loop().time
    while not stop.is_set():
        began = now()
        try:
            await task.run(stop)
            if not stop.is_set():
                log.error("task_ended_early")
        except Exception:
            log.exception("task_failed")
        await pause(stop, backoff.after(now() - began))


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; true at once when `stop` is set, false after `seconds`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
