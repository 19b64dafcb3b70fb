"""Ends a cluster when those who need it are gone, however they went: they hold a lock, which dies with them."""

import fcntl
import sys
from pathlib import Path
from typing import Final

from scripts.kafka_broker import processes
from scripts.kafka_broker.cluster import Cluster

SCRIPT: Final = Path(__file__).parents[1] / "kafka"


def start_guard(folder: Path, lock: Path) -> None:
    """A process of its own; whoever needs the cluster holds a shared lock on the file by now."""
    command = [sys.executable, str(SCRIPT), "guard", str(lock.absolute()), "--dir", str(folder.absolute())]
    processes.launch(command, folder / "guard.log", str(SCRIPT))


def guard(cluster: Cluster, lock: Path) -> None:
    """Wait until nobody holds the lock, then discard the cluster."""
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cluster.discard()
