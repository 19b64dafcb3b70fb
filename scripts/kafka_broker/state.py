"""What is known of a cluster between two commands: a file in its folder, replaced at once."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.kafka_broker.ports import Ports


@dataclass
class Node:
    """One broker, which is a controller too. `pid` is that of the last start, whether it lives or not."""

    number: int
    ports: Ports
    pid: int | None = None
    paused: bool = False


@dataclass
class State:
    """The cluster of a folder."""

    cluster_id: str
    security: str
    nodes: list[Node] = field(default_factory=list)
    password: str = ""
    """Of the one user, where clients log in."""

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{node.ports.client}" for node in self.nodes)


def load(path: Path) -> State | None:
    """The state in a file, None if there is none."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    nodes = [Node(**{**node, "ports": Ports(**node["ports"])}) for node in stored.pop("nodes")]
    return State(nodes=nodes, **stored)


def save(path: Path, state: State) -> None:
    """Replace the file; only its owner may read it, for it may hold a password."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dataclasses.asdict(state), file, indent=1)
    unfinished.rename(path)
