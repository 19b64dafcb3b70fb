"""Everything of one run: the story, the services, the bus, the consumer's store, time and chance."""

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Self

from tests.protocol_model.bus import Bus
from tests.protocol_model.faults import Faults
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.service import Service
from tests.protocol_model.snapshots import TOPICS, Snapshot
from tests.protocol_model.store import Store
from tests.protocol_model.story import Command, Story
from tests.protocol_model.truth import Truth


@dataclass
class World:
    """What the processes share. They meet only in the databases and on the bus; the rest is for the oracle."""

    story: Story
    safeguards: Safeguards
    faults: Faults
    rng: random.Random
    bus: Bus
    services: dict[str, Service]
    store: Store = field(default_factory=Store)
    truth: Truth = field(default_factory=Truth)
    now: float = 0.0
    unfinished: set[str] = field(default_factory=set)
    poison: dict[tuple[str, int], str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    asked: dict[str, Command] = field(default_factory=dict)
    lost: deque[tuple[Service, Command]] = field(default_factory=deque)
    zombies: list[Service] = field(default_factory=list)
    owed: dict[str, Snapshot] = field(default_factory=dict)
    """For the oracle: what an emptied consumer held and has not got again."""

    @classmethod
    def create(cls, seed: int, story: Story, safeguards: Safeguards, faults: Faults) -> Self:
        rng = random.Random(f"faults {seed}")
        counts: Counter[str] = Counter()
        services = {topic: Service(topic) for topic in TOPICS}
        return cls(story, safeguards, faults, rng, Bus(rng, faults, counts), services, counts=counts)

    def maybe_poison(self, snapshot: Snapshot) -> None:
        """Some revisions cannot be read until the operator has mended the consumer: body, header or key."""
        if self.rng.random() < self.faults.poison:
            self.poison[(snapshot.id, snapshot.revision)] = self.rng.choice(("body", "body", "header", "key"))
