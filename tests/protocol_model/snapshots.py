"""The words of the model: customers, partitions, sources, kinds, rules and the snapshot of one document."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

Steps = Generator[str, None, None]
"""A process. It can be stopped, crashed or overtaken wherever it yields; the text names the step it has done."""

IDLE: Final = "idle"
WAITING: Final = "waiting"

CUSTOMERS: Final = ("c0", "c1", "c2", "c3", "c4", "c5")
PARTITIONS: Final = 3
EPOCH: Final = 1
"""The first life of a producer; only a restore (P4) begins another."""

SOURCES: Final = {"order": ("erp", "shop"), "invoice": ("erp",), "payment": ("bank", "erp")}
"""Who delivers which kind. The watermark of a kind is the minimum over them."""
TOPIC: Final = {"order": "orders", "link": "orders", "invoice": "credit", "payment": "credit"}
TOPICS: Final = ("orders", "credit")


def partition_of(customer: str) -> int:
    """Fixed at write, the same for all topics."""
    return int(customer[1:]) % PARTITIONS


def customers_of(part: int) -> tuple[str, ...]:
    """Everybody whose horizon moves with the beats of this partition."""
    return tuple(customer for customer in CUSTOMERS if partition_of(customer) == part)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of one document. A link has absorbed and survivor as sold-to and bill-to; beats and markers nobody.

    `number` is what the source calls it, if the id is another: a document that was lost and sent again. `phase` and
    `run` are a marker's: how far which republication is.
    """

    kind: str
    id: str
    source: str
    revision: int
    live: bool = True
    sold: str = ""
    bill: str = ""
    at: int = 0
    amount: int = 0
    epoch: int = EPOCH
    number: str = ""
    phase: str = ""
    run: int = 0

    @property
    def natural(self) -> str:
        """The same under all ids that one document of a source ever had."""
        return self.number or self.id

    @property
    def producer(self) -> str:
        """The topic, and so the service, it comes from."""
        if self.kind == "marker":
            return self.source
        return TOPIC[self.id.rpartition("-")[2] if self.kind == "beat" else self.kind]

    @property
    def version(self) -> tuple[int, int]:
        return self.epoch, self.revision

    @property
    def parties(self) -> tuple[str, ...]:
        if self.sold == self.bill:
            return (self.sold,) if self.sold else ()
        return self.sold, self.bill


@dataclass(frozen=True, slots=True)
class Rule:
    """An episode starts at t when `opens` happened at t and nothing that `closes` in (t, t + patience]."""

    name: str
    opens: str
    closes: str
    patience: int


RULES: Final = (Rule("churn", "order", "order", 6), Rule("overdue", "invoice", "payment", 4))


def beat_id(source: str, kind: str) -> str:
    return f"beat-{source}-{kind}"
