"""The database of one producing service and what waits for its workers. What they do with it is `producer`."""

from collections import deque
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Self

from tests.protocol_model.bus import Row
from tests.protocol_model.database import Database, Table
from tests.protocol_model.snapshots import EPOCH, Snapshot
from tests.protocol_model.story import Command

ONE: Final = "one"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """The one row that says which life of its database the service knows."""

    server: int = 0
    epoch: int = EPOCH


@dataclass(frozen=True, slots=True)
class Republication:
    """A run over all documents between two markers. The cursor is the last one written."""

    number: int
    epoch: int
    whole: bool
    restored: bool = False
    begun: bool = False
    cursor: tuple[bool, str] = (False, "")
    completed: bool = False
    confirmed: bool = False


Backup = dict[str, dict[Any, Any]]


class Service:
    """What one service has stored, and the requests that wait for a worker."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.server = 0
        self.life = 0
        self.looked = -1
        """The life in which the log was compared with the database."""
        self.down = False
        self.database = Database()
        self.documents: Table[str, Snapshot] = Table()
        self.outbox: Table[int, Row] = Table()
        self.handled: Table[str, bool] = Table()
        self.incarnation: Table[str, Incarnation] = Table()
        self.republications: Table[int, Republication] = Table()
        self.requests: deque[Command] = deque()
        self.answered: set[str] = set()
        self.leader: object = None
        self.relayed: dict[int, int] = {}
        self._sequence = 0
        self.incarnation.rows[ONE] = Incarnation()

    @property
    def epoch(self) -> int:
        """As committed."""
        return self.incarnation.rows[ONE].epoch

    @property
    def restoring(self) -> bool:
        """Restored, and not everything was sent again yet."""
        return any(run.restored and not run.completed for run in self.republications.rows.values())

    @property
    def settled(self) -> bool:
        """Nothing to be sent again, nothing to be confirmed, nothing to be found out."""
        runs = self.republications.rows.values()
        open_ones = any(not run.completed or (run.restored and not run.confirmed) for run in self.last_of(runs))
        return self.looked == self.life and not self.down and not open_ones

    @staticmethod
    def last_of(runs: Iterable[Republication]) -> list[Republication]:
        """The unfinished ones and the last restore: earlier ones need no confirmation any more."""
        ordered = sorted(runs, key=lambda run: run.number)
        return [run for run in ordered if not run.completed] + [run for run in ordered if run.restored][-1:]

    def next_id(self) -> int:
        """Identity with CACHE 1: given when the row is written, seen when it is committed."""
        self._sequence += 1
        return self._sequence

    def name_for(self, natural: str, kind: str) -> str:
        """Ids are never given twice: what is sent again after a restore gets another. A beat is named by its source."""
        return natural if kind == "beat" or not self.life else f"{natural}~{self.life}"

    def backup(self) -> Backup:
        """Everything committed at one moment."""
        return {name: dict(table.rows) for name, table in self._tables().items()}

    def restore(self, backup: Backup, server: int) -> Self:
        """Put an older state into the tables; who worked on the newer one is gone. Returns the life that is lost."""
        former = self._copy()
        for name, table in self._tables().items():
            table.rows = dict(backup[name])
        self.server = server
        self.life += 1
        self.database = Database()
        self.requests.clear()
        self.leader = None
        self.relayed = {}
        return former

    def _copy(self) -> Self:
        former = type(self)(self.topic)
        for name, table in former._tables().items():
            table.rows = deepcopy(self._tables()[name].rows)
        former._sequence = self._sequence
        return former

    def _tables(self) -> dict[str, Table[Any, Any]]:
        return {
            "documents": self.documents,
            "outbox": self.outbox,
            "handled": self.handled,
            "incarnation": self.incarnation,
            "republications": self.republications,
        }
