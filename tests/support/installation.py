"""An embedded installation as its users see it: real processes, started and killed from outside."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import psutil

from forewarn.up import READY_SECONDS
from shared.database.embedded_postgres import EmbeddedPostgres
from tests.support.postgres import temporary_data_dir
from tests.support.program import PROGRAM

ROOT: Final = Path(__file__).parents[2]


class Installation:
    """One data directory and whoever supervises it; `variables` are added to the environment of all its processes."""

    def __init__(self, data_dir: Path, program: Sequence[str] = PROGRAM, **variables: str) -> None:
        self.data_dir = data_dir
        self._program = program
        self._environment = environment() | variables
        self.server = EmbeddedPostgres(data_dir)
        self._supervisors: list[subprocess.Popen[str]] = []

    def up(self, *options: str) -> "subprocess.Popen[str]":
        """Start a supervisor; does not wait."""
        with (self.data_dir / "up.log").open("a") as written:
            supervisor = subprocess.Popen(
                [*self._program, "up", "--data-dir", str(self.data_dir), "--port", "0", *options],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
                start_new_session=True,
            )
        self._supervisors.append(supervisor)
        return supervisor

    def up_and_ready(self, *options: str) -> "subprocess.Popen[str]":
        """Start a supervisor and wait until all of it runs."""
        supervisor = self.up(*options)
        eventually(lambda: supervisor.poll() is not None or self._is_ready(supervisor), READY_SECONDS)
        assert supervisor.poll() is None, self.log()
        return supervisor

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start another command on this installation; does not wait."""
        return subprocess.Popen(
            [*self._program, *words, "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0) -> str:
        """What another command prints; it must end with this code."""
        return self._ended(words, code)[0]

    def complaint(self, *words: str, code: int) -> str:
        """What another command has to say against it; it must end with this code."""
        return self._ended(words, code)[1]

    def json(self, *words: str, code: int = 0) -> Any:
        """What another command prints as JSON."""
        return json.loads(self.run(*words, "--json", code=code))

    def address(self) -> dict[str, Any]:
        """What the address file says."""
        address: dict[str, Any] = json.loads((self.data_dir / "address.json").read_text())
        return address

    def pids(self) -> dict[str, int]:
        """Process ids of supervisor, postgres, web and worker."""
        pids: dict[str, int] = self.address()["pids"]
        return pids

    def pid(self, name: str) -> int:
        """Process id of one of them."""
        return self.pids()[name]

    def kill(self, name: str) -> int:
        """kill -9; returns who that was."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def status(self) -> int:
        """What `/readyz` answers; 0 if nobody does."""
        try:
            return httpx.get(self.address()["base_url"] + "/readyz", trust_env=False, timeout=30).status_code
        except httpx.TransportError:
            return 0

    def ticks(self) -> int:
        """How often the worker's job has run."""

        async def count() -> int:
            connection = await asyncpg.connect(self.server.dsn("notify"))
            try:
                return int(await connection.fetchval("SELECT count(*) FROM tick"))
            finally:
                await connection.close()

        return asyncio.run(count())

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this installation."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words, environment = process.info["cmdline"] or [], process.info["environ"] or {}
            told = {*words, environment.get("FOREWARN_DATA_DIR")}
            if words and told & {str(self.data_dir), str(self.server.data)}:
                found.append(process)
        return found

    def log(self) -> str:
        """What all processes have logged."""
        return (self.data_dir / "up.log").read_text()

    def _is_ready(self, supervisor: "subprocess.Popen[str]") -> bool:
        return bool(self.address()["pids"]["supervisor"] == supervisor.pid)

    def _ended(self, words: Sequence[str], code: int) -> tuple[str, str]:
        process = self.start(*words)
        printed, complaints = process.communicate(timeout=900)
        assert process.returncode == code, complaints
        return printed, complaints

    def close(self) -> None:
        """End whatever is left."""
        for supervisor in self._supervisors:
            supervisor.kill()
            supervisor.wait()
            if supervisor.stdout is not None:
                supervisor.stdout.close()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        eventually(lambda: not self.processes())


def environment() -> dict[str, str]:
    """Ours, with compiled modules kept: without them each process compiles for two seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(ROOT / ".pytest_cache" / "pycache")}


def eventually(fact: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so; what is not there yet counts as not so."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, KeyError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if fact():
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} seconds")
        time.sleep(0.05)


@contextlib.contextmanager
def installation_in(data_dir: Path, program: Sequence[str] = PROGRAM, **variables: str) -> Iterator[Installation]:
    """An installation that is gone with the block."""
    installation = Installation(data_dir, program, **variables)
    try:
        yield installation
    finally:
        installation.close()


@contextlib.contextmanager
def copied(used: Path, program: Sequence[str] = PROGRAM, **variables: str) -> Iterator[Installation]:
    """An installation of its own with the content of one that was stopped; its start takes half as long."""
    with temporary_data_dir() as data_dir:
        shutil.rmtree(data_dir)
        subprocess.run(["cp", "-a", str(used), str(data_dir)], check=True)
        with installation_in(data_dir, program, **variables) as installation:
            yield installation
