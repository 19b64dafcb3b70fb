"""Whether a cluster takes records and serves groups, and which node is the active controller."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from scripts.kafka_broker import wire
from scripts.kafka_broker.errors import KafkaScriptError
from scripts.kafka_broker.state import Node

READY_SECONDS: Final = 90
POLL_SECONDS: Final = 0.05
_ANY_GROUP: Final = "ready"


def wait_ready(live: Callable[[], Sequence[Node]], seconds: float = READY_SECONDS) -> None:
    """Return once every live node agrees that all is well; `live` is asked each time, and may give up."""
    deadline = time.monotonic() + seconds
    while lack := why_not(live()):
        if time.monotonic() > deadline:
            raise KafkaScriptError(f"Kafka is not ready after {seconds:.0f} seconds: {lack}")
        time.sleep(POLL_SECONDS)


def why_not(live: Sequence[Node]) -> str | None:
    """What is still amiss: a broker nobody lists, a partition without leader or live copy, groups unserved."""
    numbers = {node.number for node in live}
    if active_controller(live) not in numbers:
        return "no active controller"
    for node in live:
        try:
            seen = wire.metadata(node.ports.internal)
            coordinator = wire.coordinator(node.ports.internal, _ANY_GROUP)
        except wire.NoAnswer as error:
            return f"node {node.number}: {error}"
        if not numbers <= seen.brokers:
            return f"node {node.number} sees the brokers {sorted(seen.brokers)} only"
        if behind := [partition for partition in seen.partitions if not _well(partition, numbers)]:
            return f"{behind[0].topic}-{behind[0].number} has no leader, or a copy that is behind"
        if coordinator not in numbers:
            return f"the coordinator of groups, node {coordinator}, is not up"
    return None


def active_controller(live: Sequence[Node]) -> int | None:
    """Number of the node that leads the quorum, None while there is no leader."""
    for node in live:
        try:
            if wire.leads_quorum(node.ports.controller):
                return node.number
        except wire.NoAnswer:
            continue
    return None


def _well(partition: wire.Partition, live: set[int]) -> bool:
    return partition.leader in live and live.intersection(partition.replicas) <= set(partition.in_sync)
