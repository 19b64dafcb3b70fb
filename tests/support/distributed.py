"""A distributed system as its operators see it: every service a process of its own, alerting two, Kafka between them,
one gateway before them; and brokers that are killed while it works."""

import contextlib
import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import httpx

from forewarn.services import NAMES
from shared.database.embedded_postgres import EmbeddedPostgres
from tests.support.installation import ROOT, environment, eventually
from tests.support.kafka import Cluster
from tests.support.ports import free_port
from tests.support.postgres import temporary_data_dir

PROGRAM: Final = (sys.executable, "-m", "forewarn")

PROCESSES: Final = {
    **{name: ("run", name) for name in NAMES},
    "alerting-2": ("run", "alerting"),
    "gateway": ("gateway",),
}
"""What runs, by name; the gateway knows the first process of each service."""

READY_SECONDS: Final = 60
SESSION_SECONDS: Final = 6


class Distributed:
    """Processes named by the environment. Each keeps its port for life, so the gateway finds it again."""

    def __init__(self, data_dir: Path, server: EmbeddedPostgres, bootstrap: str) -> None:
        self.data_dir = data_dir
        self.server = server
        self._ports = {name: free_port() for name in PROCESSES}
        self._environment = environment() | {
            "FOREWARN_TOKEN_KEY": secrets.token_hex(32),
            "FOREWARN_KAFKA_BOOTSTRAP": bootstrap,
            "FOREWARN_KAFKA_SESSION_SECONDS": str(SESSION_SECONDS),
            **{f"FOREWARN_DATABASE_URL_{name.upper()}": server.dsn(name) for name in NAMES},
            **{f"FOREWARN_URL_{name.upper()}": self._url(name) for name in NAMES},
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, name: str) -> None:
        """Start one of the processes, and wait until it answers."""
        with (self.data_dir / f"{name}.log").open("ab") as written:
            self._processes[name] = subprocess.Popen(
                [*PROGRAM, *PROCESSES[name]],
                cwd=ROOT,
                env=self._environment | {"FOREWARN_PORT": str(self._ports[name])},
                stdout=written,
                stderr=written,
            )
        eventually(lambda: _answers(self._url(name)), READY_SECONDS)

    def kill(self, name: str) -> None:
        """kill -9."""
        self._processes[name].kill()
        self._processes[name].wait()

    def end(self, name: str) -> None:
        """SIGTERM, and wait until it has ended."""
        self._processes[name].terminate()
        self._processes[name].wait(20)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Any other signal."""
        self._processes[name].send_signal(number)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command on it; does not wait. What goes through the API goes through the gateway."""
        address = self.address()
        where = ["--url", address["base_url"]] if words[0] == "replay" else []
        return subprocess.Popen(
            [*PROGRAM, *words, *where],
            cwd=ROOT,
            env=self._environment | {"FOREWARN_TOKEN": address["token"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; it must end with this code."""
        process = self.start(*words)
        printed, complaints = process.communicate(timeout=900)
        assert process.returncode == code, printed + complaints
        return printed

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run(*words, "--json", code=code))

    def address(self) -> dict[str, Any]:
        """Where the gateway is, and an administrator's token."""
        return {"base_url": self._url("gateway"), "token": self._token}

    def pids(self) -> dict[str, int]:
        """Processes that run, by name."""
        return {name: process.pid for name, process in self._processes.items() if process.poll() is None}

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.data_dir / f"{name}.log").read_text()

    def make(self) -> None:
        """Databases, topics, all processes."""
        self._token = ""
        self.run("migrate")
        self._token = self.run("token", "--role", "admin", "--subject", "test").strip()
        for name in PROCESSES:
            self.begin(name)

    def close(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"


class Kills:
    """Brokers killed one after the other, each back before the next, until told to stop; `count` how many so far."""

    def __init__(self, cluster: Cluster, every: float) -> None:
        self.count = 0
        self._cluster = cluster
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="kills")

    def _go_on(self) -> None:
        for number in cycle((1, 2, 3)):
            if self._over.wait(self._every):
                return
            self._cluster.kill(number)
            self._cluster.start()
            self.count += 1

    def __enter__(self) -> "Kills":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@contextlib.contextmanager
def distributed(bootstrap: str) -> Iterator[Distributed]:
    """A new system that ends with the block. Its topics have the names of every installation: one per cluster."""
    with temporary_data_dir() as folder:
        server = EmbeddedPostgres(folder, durable=False)
        server.start()
        server.provision(NAMES)
        system = Distributed(folder, server, bootstrap)
        try:
            system.make()
            yield system
        finally:
            system.close()
            server.stop()


def replaced(system: Distributed, name: str) -> None:
    """Harm: one of its processes is killed, and begun again."""
    system.kill(name)
    system.begin(name)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=5).status_code == 200
    return False
