"""The compose file played on this machine without Docker: every command with its very environment as a local process.

Only what names the inside of a container is translated: paths into a folder per container, in which the volumes are
links, and `host:port` into addresses of this machine. Of the images that are not ours, PostgreSQL and Kafka's programs
are stood in for.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import yaml

from scripts.kafka_broker.java import SMALL, kafka
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.database.embedded_postgres.owner import owner_of
from shared.database.embedded_postgres.programs import find_programs
from tests.support.installation import ROOT, eventually
from tests.support.ports import free_port
from tests.support.postgres import temporary_data_dir

COMPOSE: Final = ROOT / "docker-compose.yml"
DOCKERFILE: Final = ROOT / "Dockerfile"

OURS: Final = "forewarn"
"""The image of the Dockerfile."""
HEALTHY_SECONDS: Final = 60.0

_PROGRAMS: Final = {
    "kafka-storage.sh": "kafka.tools.StorageTool",
    "kafka-server-start.sh": "kafka.Kafka",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
_ADDRESS: Final = re.compile(r"\b([a-z]+|0\.0\.0\.0|127\.0\.0\.1)([:/])(\d{4,5})\b")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def compose_file(environment: Mapping[str, str] = {}) -> dict[str, Any]:
    """What the file says where the environment says so much."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    content["services"] = {
        name: json.loads(_VARIABLE.sub(lambda found: environment.get(found[1]) or found[2] or "", json.dumps(service)))
        for name, service in content["services"].items()
    }
    return content


def instruction(name: str) -> list[str]:
    """What the last stage of the Dockerfile gives as `ENTRYPOINT` or as the command of `HEALTHCHECK`."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    (line,) = re.findall(rf"^{name}\b[^\[\n]*(\[.*\])$", text, re.MULTILINE)
    words: list[str] = json.loads(line)
    return words


class Composed:
    """A run of the compose file; `server` is its PostgreSQL, which is there before all else."""

    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self.services: dict[str, Any] = compose_file()["services"]
        self.server = server
        self._folder = folder
        self._ports: dict[tuple[str, int], int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._completed: set[str] = set()

    def up(self) -> None:
        """Start everything as its `depends_on` say, and wait until all of it is healthy."""
        for name in self.services:
            self._need(name, "service_healthy")

    def url(self, service: str, port: int) -> str:
        """Where the port of a container is reached."""
        return f"http://127.0.0.1:{self._port(service, port)}"

    def volume(self, name: str) -> Path:
        """What a volume holds."""
        return self._folder / "volumes" / name

    def execute(self, service: str, *words: str | Path, code: int = 0) -> str:
        """What a program prints that is run in the container of a service, as by `docker compose exec`."""
        command = [*self._program(str(words[0])), *words[1:]]
        done = subprocess.run(
            command, env=self.environment(service), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a container, which has nothing of ours but what starts programs here."""
        given = {name: self._local(service, str(value)) for name, value in self._given(service).items()}
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1", **given}

    def log(self, service: str) -> str:
        """What the container has written."""
        return (self._folder / f"{service}.log").read_text()

    def pids(self) -> dict[str, int]:
        """Processes that go on running."""
        return {name: process.pid for name, process in self.processes.items() if process.poll() is None}

    def close(self) -> None:
        """End everything, in the order in which it was started backwards."""
        for process in reversed(self.processes.values()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()

    def _need(self, name: str, condition: str) -> None:
        if name in self._completed:
            return
        if name not in self.processes:
            for other, wanted in self.services[name].get("depends_on", {}).items():
                self._need(other, wanted["condition"])
            self._prepare(name)
            if name == "postgres":
                self._make_databases()
                return
            self._launch(name)
        if condition == "service_completed_successfully":
            assert self.processes[name].wait(120) == 0, self.log(name)
            self._completed.add(name)
        elif not self.services[name].get("healthcheck", {}).get("disable"):
            eventually(lambda: self._healthy(name), HEALTHY_SECONDS)

    def _launch(self, name: str) -> None:
        service = self.services[name]
        entry = service.get("entrypoint") or instruction("ENTRYPOINT")
        command = [self._local(name, word) for word in [*entry, *service.get("command", [])]]
        with (self._folder / f"{name}.log").open("ab") as written:
            self.processes[name] = subprocess.Popen(
                [*self._program(command[0]), *command[1:]],
                env=self.environment(name),
                cwd=ROOT,
                stdout=written,
                stderr=written,
            )

    def _healthy(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.log(name)
        words = self.services[name].get("healthcheck", {}).get("test", ["CMD", *instruction("HEALTHCHECK")])[1:]
        command = [*self._program(words[0]), *(self._local(name, word) for word in words[1:])]
        return subprocess.run(command, env=self.environment(name), capture_output=True, check=False).returncode == 0

    def _prepare(self, name: str) -> None:
        """The container's folders: its volumes, and for images that are not ours the programs that are called."""
        for volume in self.services[name].get("volumes", []):
            source, target, *_ = volume.split(":")
            shared = ROOT / source if source.startswith("./") else self.volume(source)
            if not source.startswith("./"):
                shared.mkdir(parents=True, exist_ok=True)
            inside = self.inside(name, target)
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.symlink_to(shared)
        if (programs := self._given(name).get("KAFKA_BIN")) is not None:
            _stand_in(self.inside(name, programs))

    def _make_databases(self) -> None:
        dsn = urlsplit(self.server.superuser_dsn())
        (script,) = (volume.split(":")[1] for volume in self.services["postgres"]["volumes"] if "initdb.d" in volume)
        host, port = self._postgres()
        environment = self.environment("postgres") | {
            "PATH": f"{find_programs(self.server.home, owner_of(self.server.data))}:{os.environ['PATH']}",
            "PGHOST": host,
            "PGPORT": port,
            "PGPASSWORD": dsn.password or "",
        }
        done = subprocess.run(
            [self.inside("postgres", script)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        self._completed.add("postgres")

    def _given(self, service: str) -> dict[str, Any]:
        given: dict[str, Any] = self.services[service].get("environment", {})
        return given

    def _program(self, word: str) -> list[str]:
        known = {OURS: [sys.executable, "-m", "forewarn"], "python": [sys.executable]}
        return known.get(word, [word])

    def _local(self, service: str, value: str) -> str:
        if value.startswith("/"):
            return str(self.inside(service, value))
        if value == "8000":
            return str(self._port(service, 8000))
        return _ADDRESS.sub(lambda found: self._address(service, *found.groups()), value)

    def _address(self, service: str, host: str, between: str, port: str) -> str:
        if host == "postgres":
            path, number = self._postgres()
            return f"{quote(path, safe='')}:{number}"
        known = host if host in self.services else service
        return f"127.0.0.1{between}{self._port(known, int(port))}"

    def _port(self, service: str, port: int) -> int:
        if (service, port) not in self._ports:
            self._ports[service, port] = free_port()
        return self._ports[service, port]

    def _postgres(self) -> tuple[str, str]:
        """Folder of the socket, and port, of the PostgreSQL that stands in."""
        query = dict(part.split("=") for part in urlsplit(self.server.superuser_dsn()).query.split("&"))
        return query["host"].replace("%2F", "/"), query["port"]

    def inside(self, service: str, path: str) -> Path:
        """A path of a container, here."""
        return self._folder / "containers" / service / path.removeprefix("/")


@contextlib.contextmanager
def composed() -> Iterator[Composed]:
    """The compose file, played until the block ends."""
    with temporary_data_dir() as folder:
        server = EmbeddedPostgres(folder / "pg", durable=False)
        server.start()
        run = Composed(folder, server)
        try:
            run.up()
            yield run
        finally:
            run.close()
            server.stop()


def _stand_in(folder: Path) -> None:
    """Kafka's programs under the names the image has them."""
    folder.mkdir(parents=True)
    for name, program in _PROGRAMS.items():
        words: Sequence[str] = kafka().command(program, options=(*SMALL, "-Xmx256m"))
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)
    assert shutil.which("bash"), "the scripts of the Kafka image are bash scripts"
