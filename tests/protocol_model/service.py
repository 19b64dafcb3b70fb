"""The database of one producing service and what waits for its workers. What they do with it is `producer`."""

from collections import deque

from tests.protocol_model.bus import Row
from tests.protocol_model.database import Database, Table
from tests.protocol_model.snapshots import Snapshot
from tests.protocol_model.story import Command


class Service:
    """What one service has stored, and the requests that wait for a worker."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.database = Database()
        self.documents: Table[str, Snapshot] = Table()
        self.outbox: Table[int, Row] = Table()
        self.handled: Table[str, bool] = Table()
        self.requests: deque[Command] = deque()
        self.answered: set[str] = set()
        self.leader: object = None
        self.relayed: dict[int, int] = {}
        self._sequence = 0

    def next_id(self) -> int:
        """Identity with CACHE 1: given when the row is written, seen when it is committed."""
        self._sequence += 1
        return self._sequence
