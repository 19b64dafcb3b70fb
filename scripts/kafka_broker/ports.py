"""Ports of a cluster: three for each node, given or found."""

import random
import socket
from dataclasses import dataclass
from typing import Final

from scripts.kafka_broker.errors import KafkaScriptError
from scripts.kafka_broker.wire import HOST

SEARCHED: Final = range(20_000, 30_000)
"""Below what systems hand to outgoing connections: the port of a killed node is still free when it comes back."""

TRIES: Final = 50
_INTERNAL, _CONTROLLER = 10, 20


@dataclass(frozen=True)
class Ports:
    """Where one node listens: clients, the other brokers and this script, controllers."""

    client: int
    internal: int
    controller: int


def choose(count: int, base: int | None) -> list[Ports]:
    """Ports for so many nodes: clients at base, base + 1, ...; the others 10 and 20 above them."""
    if base is not None:
        block = _block(count, base)
        if taken := [port for port in _all(block) if not _free(port)]:
            raise KafkaScriptError(f"port {taken[0]} is taken: give another --port-base, or none to have one found")
        return block
    for _ in range(TRIES):
        block = _block(count, random.choice(SEARCHED))
        if all(_free(port) for port in _all(block)):
            return block
    raise KafkaScriptError(f"no free ports found between {SEARCHED.start} and {SEARCHED.stop}: give a --port-base")


def _block(count: int, base: int) -> list[Ports]:
    return [Ports(base + number, base + _INTERNAL + number, base + _CONTROLLER + number) for number in range(count)]


def _all(block: list[Ports]) -> list[int]:
    return [port for ports in block for port in (ports.client, ports.internal, ports.controller)]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As Java does, so that a connection that has just been closed does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
