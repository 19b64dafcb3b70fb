"""`scripts/kafka` from outside: brokers come, go, come back with their data, and errors say what is wrong."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kafka import SCRIPT, Cluster, kept_folder, running_cluster

ROOT = SCRIPT.parents[1]

HYPHEN = """
import sys, uuid
from scripts.kafka_broker import cluster, command
uuid.uuid4 = lambda: uuid.UUID(bytes=b"\\xfb" + b"\\x01" * 15)
sys.exit(command.main(sys.argv[1:]))
"""
"""The script, with ids that begin with one."""

pytestmark = [pytest.mark.kafka]


@pytest.fixture(scope="module")
def one() -> Iterator[Cluster]:
    with running_cluster(brokers=1) as cluster:
        yield cluster


def complaint(*words: str) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


class TestOneBroker:
    def test_says_where_it_is(self, one: Cluster) -> None:
        status = one.status()
        assert status["running"]
        assert status["controller"] == 1
        assert status["bootstrap"] == one.bootstrap

    def test_runs_once(self, one: Cluster) -> None:
        pid = one.pid(1)
        assert "already" in one.run("start")
        assert one.pid(1) == pid

    def test_comes_back_after_a_crash(self, one: Cluster) -> None:
        address = one.bootstrap
        one.kill(1)
        assert one.numbers() == []
        one.start()
        assert one.numbers() == [1]
        assert one.status()["bootstrap"] == address

    def test_keeps_its_shape(self, one: Cluster) -> None:
        assert complaint("start", "--brokers", "3", "--dir", str(one.folder))

    def test_does_not_start_what_runs(self, one: Cluster) -> None:
        assert "runs already" in complaint("start-one", "1", "--dir", str(one.folder))


class TestErrors:
    def test_a_port_that_is_taken_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, kept_folder() as folder:
            port = taken.getsockname()[1]
            assert str(port) in complaint("start", "--port-base", str(port), "--dir", str(folder / "kafka"))

    def test_an_empty_folder_has_nothing_to_stop(self, tmp_path: Path) -> None:
        assert complaint("kill", "1", "--dir", str(tmp_path))

    def test_an_id_may_begin_with_a_hyphen(self) -> None:
        """INVARIANT: breaks when one start in 64 fails, because the id of the cluster is read as an option."""
        with kept_folder() as folder:
            cluster = Cluster(folder / "kafka")
            try:
                words = ["start", "--dir", str(cluster.folder)]
                subprocess.run([sys.executable, "-c", HYPHEN, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            finally:
                cluster.discard()
