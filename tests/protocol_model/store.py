"""The consumer's database: documents held, sums, letters, judgements. Nothing here knows a rule."""

from dataclasses import dataclass, field
from typing import Final, Self

from tests.protocol_model.bus import Place, Record
from tests.protocol_model.database import Database, Table
from tests.protocol_model.snapshots import Snapshot

NEVER: Final = -1
NOBODY: Final = ""
EpisodeKey = tuple[str, str, int]
"""(rule, group root, started): the identity of C6."""
LetterKey = tuple[str, int, int]
Name = tuple[int, int]
"""(epoch, number): one republication of a producer."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The locked row of one customer: three sums and two extrema."""

    turnover: int = 0
    receivable: int = 0
    documents: int = 0
    last_order: int = NEVER
    oldest_invoice: int = NEVER

    def plus(self, other: Self, sign: int = 1) -> "Facts":
        """Sums added; extrema are not sums and stay."""
        return Facts(
            self.turnover + sign * other.turnover,
            self.receivable + sign * other.receivable,
            self.documents + sign * other.documents,
            self.last_order,
            self.oldest_invoice,
        )


def contribution(snapshot: Snapshot, party: str) -> Facts:
    """What one document adds to the sums of one of its parties."""
    if not snapshot.live:
        return Facts()
    turnover = snapshot.amount if snapshot.kind == "order" and snapshot.sold == party else 0
    debt = {"invoice": snapshot.amount, "payment": -snapshot.amount}.get(snapshot.kind, 0)
    return Facts(turnover, debt if snapshot.bill == party else 0, 1)


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that could not be read. Whose it is: a customer, NOBODY, or with None everybody in the partition."""

    record: Record
    part: int
    customer: str | None
    document: str | None
    version: tuple[int, int]
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """What markers of one producer have said in one partition, and whether its documents may be missing there."""

    closed: bool = False
    wanted: Name = (0, 0)
    begun: Name | None = None
    complete: int = 0
    confirmed: int = 0


@dataclass
class Store:
    """Tables of the consumer group."""

    database: Database = field(default_factory=Database)
    cursors: Table[Place, int] = field(default_factory=Table)
    documents: Table[str, Snapshot] = field(default_factory=Table)
    links: Table[str, Snapshot] = field(default_factory=Table)
    beats: Table[str, Snapshot] = field(default_factory=Table)
    facts: Table[str, Facts] = field(default_factory=Table)
    judged: Table[tuple[str, str], int] = field(default_factory=Table)
    letters: Table[LetterKey, Letter] = field(default_factory=Table)
    episodes: Table[EpisodeKey, bool] = field(default_factory=Table)
    timers: Table[str, int] = field(default_factory=Table)
    marks: Table[Place, Marks] = field(default_factory=Table)

    def shelf(self, snapshot: Snapshot) -> Table[str, Snapshot]:
        """The table a snapshot is held in."""
        return {"link": self.links, "beat": self.beats}.get(snapshot.kind, self.documents)

    def held(self, name: str) -> Snapshot | None:
        """What is held under this name, in whichever table."""
        shelves = (self.documents, self.links, self.beats)
        return next((shelf.rows[name] for shelf in shelves if name in shelf.rows), None)
