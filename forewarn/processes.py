"""What one process of the program does: HTTP of some services, the work behind it, or both, until told to end."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from fastapi import FastAPI

from forewarn.platform import signing_key
from forewarn.tokens import verifier
from shared.context import Context
from shared.events import TOPICS
from shared.http.app import create_app, create_ops_app
from shared.http.health import BusCheck, Check, database_check, producer_check
from shared.messaging import republication
from shared.messaging.consumer import Consumer
from shared.messaging.document_store import DocumentStore
from shared.messaging.gauges import Gauges
from shared.messaging.relay import Relay
from shared.runtime.host import WebHost, WorkerHost
from shared.runtime.jobs import JobRunner
from shared.runtime.platform import Platform
from shared.runtime.service import Job, Service
from shared.runtime.tasks import Run, Task

LAST_SECONDS: Final = 10.0
"""A process that was told to end and still lives then is ended hard; nothing it had begun is committed."""

REPUBLISH_EVERY: Final = timedelta(seconds=2)
"""How soon a republication goes on that waited for room in the outbox; asked for, it begins at once."""

log = structlog.get_logger(__name__)


async def run_process(
    services: Sequence[Service],
    platform: Platform,
    stop: asyncio.Event,
    *,
    listening: socket.socket,
    api: bool,
    work: bool,
) -> None:
    """Serve health and metrics on `listening`, with the API and the work of the services as asked, until `stop`."""
    app = web_app(services, platform) if api else ops_app(services, platform)
    runs: list[Run] = [WebHost(app, listening).run]
    if work:
        runs.append(WorkerHost(worker_tasks(services, platform)).run)
    try:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(run(stop))
    finally:
        await platform.close()


def web_app(services: Sequence[Service], platform: Platform) -> FastAPI:
    """The HTTP of the services."""
    return create_app(
        routers=[router for service in services for router in service.routers],
        contexts={service.name: platform.context(service.name) for service in services},
        verifier=verifier(signing_key(platform.settings), platform.clock),
        checks=_checks(services, platform),
        bus=_bus_check(services, platform),
    )


def ops_app(services: Sequence[Service], platform: Platform) -> FastAPI:
    """Health and metrics of a process that works for the services and does not serve their API."""
    return create_ops_app(_checks(services, platform), _bus_check(services, platform))


def jobs_of(service: Service) -> list[Job]:
    """A service's own jobs, and the one that every producer has."""
    return [*service.jobs, *([_republishing(service)] if service.publishes else [])]


def worker_tasks(services: Iterable[Service], platform: Platform) -> list[Task]:
    """Relays, consumers, gauges and jobs of the services."""
    return [task for service in services for task in _tasks_of(service, platform)]


@contextlib.asynccontextmanager
async def stopping(*numbers: signal.Signals, lifeline: int | None = None) -> AsyncIterator[asyncio.Event]:
    """An event that is set by signals or by the end of whoever holds the other end of the pipe `lifeline`."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    # Who was started with a signal ignored (nohup, a shell's background) goes on ignoring it.
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def end() -> None:
        if not stop.is_set():
            log.info("stopping")
            stop.set()

    def hang_up(descriptor: int) -> None:
        loop.remove_reader(descriptor)
        end()

    for number in heeded:
        loop.add_signal_handler(number, end)
    if lifeline is not None:
        loop.add_reader(lifeline, hang_up, lifeline)
    try:
        yield stop
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
        if lifeline is not None:
            loop.remove_reader(lifeline)


async def end_hard_after(stop: asyncio.Event) -> None:
    """End the process some seconds after `stop`, from a thread: also when the event loop hangs."""
    await stop.wait()
    deadline = threading.Timer(LAST_SECONDS, os._exit, args=(1,))
    deadline.daemon = True
    deadline.start()


def _checks(services: Sequence[Service], platform: Platform) -> dict[str, Check]:
    return {
        service.name: (producer_check if service.publishes else database_check)(platform.context(service.name))
        for service in services
    }


def _bus_check(services: Sequence[Service], platform: Platform) -> Check | None:
    """By a topic these services deal with; others they may not be allowed to see."""
    for service in services:
        if service.publishes:
            return BusCheck(platform.bus, TOPICS[service.name])
        if service.subscription is not None:
            return BusCheck(platform.bus, TOPICS[service.subscription.producers[0]])
    return None


def _tasks_of(service: Service, platform: Platform) -> list[Task]:
    context, tasks = platform.context(service.name), []
    if service.publishes:
        tasks.append(Task(f"{service.name}.relay", Relay(context, platform.bus).run))
    if service.subscription is not None:
        taken = service.subscription
        for member in range(platform.settings.consumers):
            consumer = Consumer(context, platform.bus, taken.producers, taken.handler, taken.completed)
            tasks.append(Task(f"{service.name}.consumer.{member}", consumer.run))
    if service.publishes or service.subscription is not None:
        producers = service.subscription.producers if service.subscription else ()
        gauges = Gauges(context, platform.bus, publishes=bool(service.publishes), producers=producers)
        tasks.append(Task(f"{service.name}.gauges", gauges.run))
    if jobs := jobs_of(service):
        tasks.append(Task(f"{service.name}.jobs", JobRunner(context, jobs).run))
    return tasks


def _republishing(service: Service) -> Job:
    store = DocumentStore(service.name)

    async def run(context: Context) -> bool:
        return await republication.work(store, context)

    async def waiting(context: Context) -> bool:
        async with context.database.unit_of_work() as unit:
            return await republication.waiting(unit.connection)

    return Job("republish", REPUBLISH_EVERY, run, waiting)
