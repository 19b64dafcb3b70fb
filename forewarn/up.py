"""The supervisor of an embedded installation: PostgreSQL, web and worker, begun again when they die."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import httpx
import structlog

from forewarn.data_directory import Address, DataDirectory
from forewarn.migrate import migrate_installation
from forewarn.platform import BUS, embedded_platform, signing_key
from forewarn.processes import LAST_SECONDS
from forewarn.services import NAMES
from forewarn.tokens import new_token
from shared.database.embedded_postgres import EmbeddedPostgres, PostgresError
from shared.runtime.host import base_url, bind
from shared.runtime.service import Service
from shared.runtime.tasks import Backoff, pause
from shared.settings import Settings

PROGRAM: Final = (sys.executable, "-m", "forewarn")
"""How processes of this same program are started."""

READY_SECONDS: Final = 120

WORKER_ADDRESS: Final = ("127.0.0.1", 0)
"""Where the worker serves its health and metrics: to this machine alone, named in the address file."""

WATCH_SECONDS: Final = 0.5
"""How often PostgreSQL is looked at: it is no child of ours, so nothing tells us when it dies."""
TOKEN_DAYS: Final = 7
TOKEN_RENEWED_AFTER: Final = timedelta(days=1)

log = structlog.get_logger(__name__)


class UpError(Exception):
    """The installation did not come up."""


class Supervisor:
    """One run of `forewarn up`. `on_ready` is told the address once it answers."""

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        on_ready: Callable[[Address], None],
        *,
        single: bool,
        program: Sequence[str],
    ) -> None:
        self._settings = settings
        self._services = services
        self._on_ready = on_ready
        self._program = program
        self._roles = ("single",) if single else ("web", "worker")
        self._directory = DataDirectory(settings.data_dir)
        self._postgres = _Postgres(EmbeddedPostgres(settings.data_dir))
        self._children: list[_Child] = []
        self._worker_url: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, keep it running until `stop`, stop it. Raises what keeps it from starting."""
        with self._directory.held():
            self._directory.remove_address()
            await asyncio.to_thread(self._directory.wait_for_earlier_processes)
            with self._bind() as listening, bind(*WORKER_ADDRESS) as workers:
                try:
                    await _unless(stop, self._prepare())
                    if not stop.is_set():
                        await self._supervise(listening, workers, stop)
                finally:
                    self._directory.remove_address()
                    await self._postgres.stop()

    def _bind(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        try:
            return bind(host, port)
        except OSError as error:
            raise UpError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error

    async def _prepare(self) -> None:
        self._directory.make_token_key()
        await self._postgres.start()
        await self._postgres.provision((*NAMES, BUS))
        platform = embedded_platform(self._settings)
        try:
            await migrate_installation(self._services, platform)
        finally:
            await platform.close()

    async def _supervise(self, listening: socket.socket, workers: socket.socket, stop: asyncio.Event) -> None:
        sockets = {role: workers if role == "worker" else listening for role in self._roles}
        self._worker_url = base_url(workers) if "worker" in sockets else None
        with _lifeline() as lifeline:
            self._children = [_Child(role, self._program, there.fileno(), lifeline) for role, there in sockets.items()]
            watchers = [
                asyncio.create_task(self._postgres.keep(stop)),
                asyncio.create_task(self._tell(base_url(listening), stop)),
                *(child.started() for child in self._children),
            ]
            try:
                await _unless(stop, _first_failure(watchers))
            finally:
                for child in self._children:
                    await child.end()
                for watcher in watchers:
                    watcher.cancel()
                await asyncio.gather(*watchers, return_exceptions=True)

    async def _tell(self, url: str, stop: asyncio.Event) -> None:
        """Say once that all is ready, and keep the address file true."""
        await _until_ready(url)
        now = asyncio.get_running_loop().time
        told, told_at = self._address(url), now()
        self._directory.write_address(told)
        self._on_ready(told)
        while not await pause(stop, WATCH_SECONDS):
            if told.pids != self._pids() or now() - told_at > TOKEN_RENEWED_AFTER.total_seconds():
                told, told_at = self._address(url), now()
                self._directory.write_address(told)

    def _address(self, url: str) -> Address:
        token = new_token(signing_key(self._settings), "admin", ("admin",), TOKEN_DAYS)
        return Address(url, token, self._pids(), self._settings.time_zone, self._worker_url)

    def _pids(self) -> dict[str, int]:
        pids = {"supervisor": os.getpid(), "postgres": self._postgres.pid}
        pids |= {child.role: child.pid for child in self._children}
        return {name: pid for name, pid in pids.items() if pid is not None}


class _Postgres:
    """The embedded server as the event loop sees it: all that blocks runs in threads."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._starting: asyncio.Future[None] | None = None
        self.pid: int | None = None

    async def start(self) -> None:
        # Shielded: a thread cannot be cancelled, and `stop` has to know that it is still at work.
        self._starting = asyncio.ensure_future(asyncio.to_thread(self._server.start))
        await asyncio.shield(self._starting)
        self.pid = self._server.pid()

    async def provision(self, names: Sequence[str]) -> None:
        await asyncio.to_thread(self._server.provision, names)

    async def keep(self, stop: asyncio.Event) -> None:
        """Start it again whenever it has died, until `stop`."""
        backoff = Backoff()
        while not await pause(stop, WATCH_SECONDS):
            self.pid = await asyncio.to_thread(self._server.pid)
            if self.pid is None:
                log.error("postgres_died")
                try:
                    await self.start()
                except (PostgresError, OSError, subprocess.SubprocessError) as error:
                    log.error("postgres_not_started", error=str(error))
                    await pause(stop, backoff.after(0))

    async def stop(self) -> None:
        """End it, also in the middle of a start."""
        while True:
            await asyncio.to_thread(self._server.stop)
            if self._starting is None or self._starting.done():
                break
            await asyncio.wait([self._starting], timeout=WATCH_SECONDS)
        if self._starting is not None and not self._starting.cancelled():
            self._starting.exception()


class _Child:
    """A process of this program, started again whenever it ends, until `end`."""

    def __init__(self, role: str, program: Sequence[str], listening: int, lifeline: int) -> None:
        self.role = role
        self.pid: int | None = None
        self._command = [*program, "process", role, f"--lifeline={lifeline}", f"--listen={listening}"]
        self._descriptors = [lifeline, listening]
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def started(self) -> "asyncio.Task[None]":
        """The task that keeps it running."""
        self._task = asyncio.create_task(self._keep(), name=self.role)
        return self._task

    async def end(self) -> None:
        """End it for good: asked first, killed if it does not hear."""
        self._ending.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        backoff, now = Backoff(), asyncio.get_running_loop().time
        while not self._ending.is_set():
            began = now()
            try:
                await self._run_once()
            except OSError as error:
                log.error("process_not_started", process=self.role, error=str(error))
            await pause(self._ending, backoff.after(now() - began))

    async def _run_once(self) -> None:
        process = await asyncio.create_subprocess_exec(*self._command, pass_fds=self._descriptors)
        self.pid = process.pid
        await _unless(self._ending, process.wait())
        if process.returncode is None:
            await _end(process)
        else:
            log.error("process_died", process=self.role, code=process.returncode)
        self.pid = None


@contextlib.contextmanager
def _lifeline() -> Iterator[int]:
    """The children's end of a pipe that closes when this process ends, however it ends."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), LAST_SECONDS + 2)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_ready(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    if await _answers(client, f"{url}/readyz"):
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise UpError(f"{url}/readyz did not answer 200 within {READY_SECONDS} seconds; see the log") from error


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def _first_failure(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Wait until a task fails, and fail with it; cancels none of them."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> None:
    """Wait for the work, or leave it as soon as `stop` is set."""
    working, stopped = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        stopped.cancel()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
