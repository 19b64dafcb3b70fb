"""Four questions of the Kafka protocol, asked of one node over a plain loopback listener."""

import socket
import struct
from dataclasses import dataclass
from typing import Final

HOST: Final = "127.0.0.1"
SECONDS: Final = 3.0
"""Longer than any healthy answer here; a node that is paused or ending gives none."""

_METADATA, _FIND_COORDINATOR, _DESCRIBE_QUORUM = 3, 10, 55


class NoAnswer(Exception):
    """The node did not answer, or answered with an error: ask later, or ask another one."""


@dataclass(frozen=True)
class Partition:
    """Where one partition lives; the leader is -1 while there is none."""

    topic: str
    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True)
class Metadata:
    """The cluster as one of its brokers sees it."""

    brokers: frozenset[int]
    partitions: tuple[Partition, ...]


def metadata(port: int) -> Metadata:
    """All live brokers and all partitions this broker knows of."""
    answer = _ask(port, _METADATA, 1, struct.pack(">i", -1))
    brokers = frozenset(answer.broker() for _ in range(answer.int32()))
    answer.int32()
    partitions = [found for _ in range(answer.int32()) for found in answer.topic()]
    return Metadata(brokers, tuple(partitions))


def coordinator(port: int, group: str) -> int:
    """Node that coordinates a consumer group; asking makes the topic of offsets if there is none."""
    answer = _ask(port, _FIND_COORDINATOR, 0, _string(group))
    answer.refuse_error()
    return answer.int32()


def leads_quorum(controller_port: int) -> bool:
    """Whether the node is the active controller: it alone answers this at its own controller's port."""
    name = b"__cluster_metadata"
    topics = bytes([2, len(name) + 1]) + name + bytes([2]) + struct.pack(">i", 0) + bytes([0, 0, 0])
    answer = _ask(controller_port, _DESCRIBE_QUORUM, 0, topics, flexible=True)
    return answer.int16() == 0


class _Answer:
    """Reads the fields of an answer one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def int16(self) -> int:
        return int(self._unpack(">h"))

    def int32(self) -> int:
        return int(self._unpack(">i"))

    def string(self) -> str:
        length = max(self.int16(), 0)
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def int32s(self) -> tuple[int, ...]:
        return tuple(self.int32() for _ in range(self.int32()))

    def broker(self) -> int:
        node = self.int32()
        self.string()
        self.int32()
        self.string()
        return node

    def topic(self) -> list[Partition]:
        self.int16()
        name = self.string()
        self._at += 1
        return [self._partition(name) for _ in range(self.int32())]

    def refuse_error(self) -> None:
        if code := self.int16():
            raise NoAnswer(f"error {code}")

    def _partition(self, topic: str) -> Partition:
        self.int16()
        return Partition(topic, self.int32(), self.int32(), self.int32s(), self.int32s())

    def _unpack(self, layout: str) -> int:
        (value,) = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return int(value)


def _ask(port: int, key: int, version: int, body: bytes, *, flexible: bool = False) -> _Answer:
    request = struct.pack(">hhi", key, version, 1) + _string("kafka-script") + (b"\0" if flexible else b"") + body
    try:
        with socket.create_connection((HOST, port), SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _read(connection, 4))
            return _Answer(_read(connection, size)[5 if flexible else 4 :])
    except OSError as error:
        raise NoAnswer(str(error)) from error


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise NoAnswer("the node hung up")
        data += more
    return data


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()
