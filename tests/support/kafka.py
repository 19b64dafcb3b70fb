"""Brokers for tests, started by `scripts/kafka`: whether they can be had, and clusters to harm."""

import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.kafka_broker import wire
from scripts.kafka_broker.java import missing

SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "kafka"
NEEDED: Final = "Kafka: needs Java 17 and Maven"
REQUIRED: Final = "FOREWARN_REQUIRE_KAFKA"
GIVEN: Final = "FOREWARN_TEST_KAFKA"


def need_kafka() -> None:
    """Skip the test where no broker can be started; fail it where the run has to have one."""
    lack = _missing()
    if lack is None:
        return
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{NEEDED} ({lack}); {REQUIRED}=1 forbids to leave this out", pytrace=False)
    pytest.skip(NEEDED)


def unique(name: str) -> str:
    """A name for a topic or a group which no other test has: all share one broker."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


class Cluster:
    """The brokers of a folder, numbered from 1. Every method returns when it is done, `start_one` at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *options: str) -> None:
        """Start or resume whatever does not run, and wait until the cluster is ready."""
        self.run("start", *options)

    def stop(self) -> None:
        """End all brokers in good order; their data stay."""
        self.run("stop")

    def kill(self, number: int) -> None:
        """SIGKILL: what a crash does."""
        self.run("kill", str(number))

    def pause(self, number: int) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self.run("pause", str(number))

    def resume(self, number: int) -> None:
        """SIGCONT."""
        self.run("resume", str(number))

    def wait(self) -> None:
        """Return once the brokers that are up lead every partition, have caught up and serve groups."""
        self.run("wait")

    def discard(self) -> None:
        """Kill all brokers and delete their data."""
        self.run("stop", "--discard")

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        status: dict[str, Any] = json.loads(self.run("status", "--json"))
        return status

    @functools.cached_property
    def bootstrap(self) -> str:
        """Addresses for clients; they stay the same for the life of the cluster."""
        return str(self.status()["bootstrap"])

    @property
    def client(self) -> dict[str, str]:
        """What a client needs to be let in: the names of FOREWARN_KAFKA_*, small."""
        needed: dict[str, str] = self.status()["client"]
        return needed

    def numbers(self, state: str = "running") -> list[int]:
        """Brokers that are in a state: running, paused or down."""
        return [node["node"] for node in self.status()["nodes"] if node["state"] == state]

    def pid(self, number: int) -> int | None:
        """Process of a broker, None if it is down."""
        pid: int | None = self.status()["nodes"][number - 1]["pid"]
        return pid

    def controller(self) -> int | None:
        """Broker that is the active controller."""
        number: int | None = self.status()["controller"]
        return number

    def leader(self, topic: str, partition: int) -> int:
        """Broker that leads a partition, -1 while there is none."""
        for found in wire.metadata(self._port()).partitions:
            if (found.topic, found.number) == (topic, partition):
                return found.leader
        raise LookupError(f"no {topic}-{partition}")

    def coordinator(self, group: str) -> int:
        """Broker that coordinates a consumer group."""
        return wire.coordinator(self._port(), group)

    def run(self, command: str, *options: str) -> str:
        """Any command of the script on this cluster: what it wrote."""
        done = subprocess.run(
            [sys.executable, str(SCRIPT), command, *options, "--dir", str(self.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"kafka {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _port(self) -> int:
        return next(int(node["internal_port"]) for node in self.status()["nodes"] if node["state"] == "running")


@contextmanager
def running_cluster(*, brokers: int = 3, security: str = "plaintext") -> Iterator[Cluster]:
    """A cluster of a test's own that ends with the block, and also when this process is killed."""
    need_kafka()
    with kept_folder() as folder:
        cluster = Cluster(folder / "kafka")
        options = ("--brokers", str(brokers), "--security", security)
        try:
            cluster.start(*options, "--while-locked", str(folder / "lock"))
            yield cluster
        finally:
            cluster.discard()


@contextmanager
def kept_folder() -> Iterator[Path]:
    """A temporary folder with a file `lock`, held by this process: a cluster can be bound to it."""
    folder = Path(tempfile.mkdtemp(prefix="fw-kafka-"))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield folder
    finally:
        shutil.rmtree(folder)


@functools.cache
def _missing() -> str | None:
    return missing()
