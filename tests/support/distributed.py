"""A distributed installation as its operators see it: every service a process of its own, Kafka between them."""

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from forewarn.services import NAMES
from shared.database.embedded_postgres import EmbeddedPostgres
from tests.support.installation import ROOT, environment, eventually
from tests.support.postgres import temporary_data_dir

PROGRAM: Final = (sys.executable, "-m", "forewarn")

READY_SECONDS: Final = 60


class Distributed:
    """Services named by the environment, as many processes of each as are started."""

    def __init__(self, folder: Path, server: EmbeddedPostgres, bootstrap: str) -> None:
        self._folder = folder
        self.server = server
        self._environment = environment() | {
            "FOREWARN_TOKEN_KEY": secrets.token_hex(32),
            "FOREWARN_KAFKA_BOOTSTRAP": bootstrap,
            "FOREWARN_KAFKA_SESSION_SECONDS": "6",
            **{f"FOREWARN_DATABASE_URL_{name.upper()}": server.dsn(name) for name in NAMES},
        }
        self._urls: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, service: str, name: str | None = None) -> int:
        """A further process of a service, called `name`; returns its id once it answers."""
        name, port = name or service, _free_port()
        with (self._folder / f"{name}.log").open("ab") as written:
            self.processes[name] = subprocess.Popen(
                [*PROGRAM, "run", service],
                cwd=ROOT,
                env=self._environment | {"FOREWARN_PORT": str(port)},
                stdout=written,
                stderr=written,
            )
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url), READY_SECONDS)
        self._urls[name] = url
        return self.processes[name].pid

    def kill(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name: str) -> None:
        """SIGTERM, and wait until it has ended."""
        self.processes[name].terminate()
        self.processes[name].wait(20)

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; it must end with this code."""
        done = subprocess.run(
            [*PROGRAM, *words], cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run(*words, "--json", code=code))

    def call(self, service: str, method: str, path: str, body: Any = None) -> Any:
        """What a service answers to an administrator."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = httpx.request(method, self._urls[service] + path, json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self._folder / f"{name}.log").read_text()

    def make(self) -> None:
        """Databases, topics, and one process of each service."""
        self.run("migrate")
        self._token = self.run("token", "--role", "admin", "--subject", "test").strip()
        for name in NAMES:
            self.start(name)

    def close(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


@contextlib.contextmanager
def distributed(bootstrap: str) -> Iterator[Distributed]:
    """A new installation that ends with the block. Its topics have the names of every installation: one per cluster."""
    with temporary_data_dir() as folder:
        server = EmbeddedPostgres(folder, durable=False)
        server.start()
        server.provision(NAMES)
        installation = Distributed(folder, server, bootstrap)
        try:
            installation.make()
            yield installation
        finally:
            installation.close()
            server.stop()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=5).status_code == 200
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
