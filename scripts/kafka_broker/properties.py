"""The settings of one node: small, quick to form groups and to notice a death, strict about topics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts.kafka_broker.state import Node, State

SMALL: Final = {
    # The default keeps 128 MB for a cleaner that has next to nothing to clean.
    "log.cleaner.dedupe.buffer.size": "2097152",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "1",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "2",
}
QUICK: Final = {
    # By default every new group waits three seconds for more members.
    "group.initial.rebalance.delay.ms": "0",
    # A cluster stands still for this long when a broker is killed.
    "broker.session.timeout.ms": "6000",
}
STRICT: Final = {"auto.create.topics.enable": "false"}


def properties(state: State, node: Node, data: Path, client_listener: Mapping[str, str], protocol: str) -> str:
    """The file Kafka reads. `protocol` and `client_listener` say how clients are let in."""
    count = len(state.nodes)
    ports = node.ports
    replication = str(min(count, 3))
    in_sync = "2" if count >= 3 else "1"
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        **_quorum(state),
        "listeners": f"CLIENT://127.0.0.1:{ports.client},INTERNAL://127.0.0.1:{ports.internal},"
        f"CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{ports.client},INTERNAL://127.0.0.1:{ports.internal}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "log.dirs": str(data),
        "default.replication.factor": replication,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.replication.factor": replication,
        "transaction.state.log.min.isr": in_sync,
        **SMALL,
        **QUICK,
        **STRICT,
        **{f"listener.name.client.{key}": value for key, value in client_listener.items()},
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _quorum(state: State) -> dict[str, str]:
    controllers = [(node.number, f"127.0.0.1:{node.ports.controller}") for node in state.nodes]
    if len(controllers) == 1:
        return {"controller.quorum.bootstrap.servers": controllers[0][1]}
    return {"controller.quorum.voters": ",".join(f"{number}@{address}" for number, address in controllers)}
