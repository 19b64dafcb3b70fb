"""Identifiers: UUIDv7 for what we create, UUIDv5 for parties an outside system already names."""

import os
import threading
import time
import unicodedata
from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID, uuid5

import msgspec

PARTY_NAMESPACE: Final = UUID("6f9d4f0a-0f5e-5c39-9a0e-6b1c4f2d7e11")


class Ids(Protocol):
    """Port: where new identifiers come from."""

    def new(self) -> UUID:
        """Return an id that sorts after every id this source returned before."""
        ...


class Uuid7Ids:
    """UUIDv7 (RFC 9562): 48 bits of milliseconds, then a counter seeded at random, so ids of one process ascend."""

    def __init__(self, nanoseconds: Callable[[], int] = time.time_ns) -> None:
        self._lock = threading.Lock()
        self._nanoseconds = nanoseconds
        self._milliseconds = 0
        self._counter = 0

    def new(self) -> UUID:
        with self._lock:
            now = self._nanoseconds() // 1_000_000
            if now > self._milliseconds:
                self._milliseconds = now
                self._counter = int.from_bytes(os.urandom(9), "big") & ((1 << 67) - 1)
            else:
                self._counter += 1 + (os.urandom(1)[0] & 0x3F)
            counter = self._counter & ((1 << 74) - 1)
            milliseconds = self._milliseconds
        high, low = counter >> 62, counter & ((1 << 62) - 1)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def canonical_external_id(text: str) -> str:
    """NFC and trimmed; case and leading zeros are kept, because ERP systems tell customers apart by them."""
    return unicodedata.normalize("NFC", text).strip()


def party_id(source: str, external_id: str) -> UUID:
    """The id of the party that `source` calls `external_id`: the same everywhere, without any look-up."""
    name = msgspec.json.encode([canonical_external_id(source), canonical_external_id(external_id)])
    return uuid5(PARTY_NAMESPACE, name.decode())
