"""What really happened in a story: what sources said and were answered, and what their beats cover."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from shared.events import Order
from shared.messaging.document_store import Draft, Outcome

ALL: Final = ("erp", "shop")
NAMED: Final = "file"
CUSTOMERS: Final = tuple(f"C{n}" for n in range(6))


@dataclass
class Beat:
    """What a source promised, and what it covers: per document the last revision that concerned each customer."""

    until: float
    covered: dict[str, dict[UUID, int]]


@dataclass
class Truth:
    """What was said and answered, by natural key."""

    newest: dict[str, tuple[int, Order]] = field(default_factory=dict)
    versions: dict[str, list[tuple[int, Order]]] = field(default_factory=lambda: defaultdict(list))
    named: dict[str, dict[int, set[UUID]]] = field(default_factory=lambda: defaultdict(dict))
    """Per revision whom it names."""
    beats: dict[str, list[Beat]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, sent: Draft, outcome: Outcome) -> None:
        """Take in what was answered to one document."""
        document, number = sent.document, sent.source_revision
        assert isinstance(document, Order)
        assert number is not None
        key = document.natural_key
        if (number, document) not in self.versions[key]:
            self.versions[key].append((number, document))
        if key not in self.newest or number > self.newest[key][0]:
            self.newest[key] = (number, document)
        self.named[key][outcome.stored.revision] = {each.id for each in outcome.stored.document.parties()}

    def concerned(self, source: str) -> dict[str, dict[UUID, int]]:
        """Per document of a source the last revision that names, or has ceased to name, each customer."""
        found: dict[str, dict[UUID, int]] = {}
        for key, named in self.named.items():
            if key.startswith(f"{source}/"):
                found[key] = {}
                for revision in sorted(named):
                    found[key] |= dict.fromkeys(named[revision] | named.get(revision - 1, set()), revision)
        return found
