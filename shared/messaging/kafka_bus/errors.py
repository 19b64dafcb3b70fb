"""The client's errors in the words of the port."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalOperation,
    KafkaError,
    TopicAuthorizationFailedError,
)

from shared.messaging.bus import BusError, BusRefused

T = TypeVar("T")

REFUSED = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)


@contextlib.contextmanager
def bus_errors() -> Iterator[None]:
    """Turn whatever the client raises into `BusError`."""
    try:
        yield
    except (KafkaError, ConsumerStoppedError, IllegalOperation, OSError, TimeoutError) as error:
        # The client puts the name of the error into some of its texts.
        text = str(error).removeprefix(f"{type(error).__name__}: ")
        kind = BusRefused if isinstance(error, REFUSED) else BusError
        raise kind(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of what aiokafka does, in a task of its own; raises `TimeoutError` when the time is over.

    Its `stop` may raise `CancelledError` without anybody having been cancelled: here that is a `BusError`.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError(f"no answer within {seconds:g} seconds")
        if task.cancelled():
            raise BusError("the client was broken off inside")
        return task.result()
    finally:
        await end_tasks({task})


async def end_tasks(tasks: set["asyncio.Task[Any]"], seconds: float = 1.0) -> None:
    """Cancel what still runs and give it a moment to end; what it ended with is of no interest."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=seconds)
    for task in tasks:
        if task.done() and not task.cancelled():
            # Marks it as seen, or asyncio would complain when the task is collected.
            task.exception()
