"""A partitioned log behind an unreliable network: batches are lost or late, acknowledgements are lost."""

import heapq
import random
from collections import Counter
from dataclasses import dataclass

from tests.protocol_model.faults import Faults
from tests.protocol_model.snapshots import PARTITIONS, TOPICS, Snapshot

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row. The key is the addressee; a row for the whole partition has none."""

    id: int
    part: int
    key: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    key: str
    snapshot: Snapshot


@dataclass(eq=False, slots=True)
class Request:
    """A batch on its way. The sender learns of it only through `acknowledged`."""

    place: Place
    rows: tuple[Row, ...]
    sent: float
    acknowledged: float | None = None


class Bus:
    """Logs per (topic, partition). None in a log is an offset that holds no record (a transaction marker)."""

    def __init__(self, rng: random.Random, faults: Faults, counts: Counter[str]) -> None:
        self._rng = rng
        self._faults = faults
        self._counts = counts
        self._flying: list[tuple[float, int, Request]] = []
        self._sent = 0
        self.logs: dict[Place, list[Record | None]] = {(t, p): [] for t in TOPICS for p in range(PARTITIONS)}
        self.leaderless: Place | None = None

    @property
    def quiet(self) -> bool:
        return not self._flying

    def flying(self, topic: str) -> bool:
        """Whether something has left a relay and may still land."""
        return any(request.place[0] == topic for _, _, request in self._flying)

    def send(self, now: float, place: Place, rows: tuple[Row, ...]) -> Request:
        request = Request(place, rows, now)
        chance = self._rng.random()
        if chance >= self._faults.lost_batch and place != self.leaderless:
            late = chance < self._faults.lost_batch + self._faults.late_batch
            self._counts["late batches"] += late
            self._sent += 1
            delay = self._rng.uniform(60, 400) if late else self._rng.uniform(1, 12)
            heapq.heappush(self._flying, (now + delay, self._sent, request))
        return request

    def land(self, now: float) -> None:
        """Append what has arrived by now, in order of arrival."""
        while self._flying and self._flying[0][0] <= now:
            arrived, _, request = heapq.heappop(self._flying)
            log = self.logs[request.place]
            if self._rng.random() < self._faults.offset_hole:
                log.append(None)
            for row in request.rows:
                log.append(Record(len(log), row.key, row.snapshot))
            if self._rng.random() < self._faults.lost_acknowledgement:
                self._counts["lost acknowledgements"] += 1
            else:
                request.acknowledged = arrived + 1

    def fetch(self, place: Place, position: int, limit: int) -> list[Record]:
        """The next records from this position on; holes are not seen."""
        return [record for record in self.logs[place][max(position, 0) :] if record is not None][:limit]

    def end(self, place: Place) -> int:
        """The offset behind the last record."""
        log = self.logs[place]
        return max((record.offset + 1 for record in log if record is not None), default=0)
