"""The seeded scheduler: who steps next, who pauses, who crashes, and when the run is over."""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.protocol_model import disasters, operations, oracle, producer, republishing, sources
from tests.protocol_model.bus import Place
from tests.protocol_model.consumer import Consumer
from tests.protocol_model.database import Deadlock
from tests.protocol_model.faults import USUAL, Faults
from tests.protocol_model.relay import relay
from tests.protocol_model.safeguards import PROTOCOL, Safeguards
from tests.protocol_model.service import Service
from tests.protocol_model.snapshots import IDLE, PARTITIONS, TOPICS, WAITING, Steps
from tests.protocol_model.story import tell
from tests.protocol_model.world import World

LIMIT = 60_000
"""Steps after which a run counts as one that does not end; a run that ends takes a quarter of them."""
WORKERS = 3
RELAYS = 2


@dataclass(frozen=True)
class Outcome:
    """What a run showed: kind of red -> first detail, and how much of what it went through."""

    seed: int
    red: dict[str, str]
    counts: Counter[str]


@dataclass
class Process:
    start: Callable[[], Steps]
    mortal: bool = True
    pace: float = 1.0
    service: Service | None = None
    """Whose database it works on: a restore ends it."""
    steps: Steps = field(init=False)
    life: int = 0

    def __post_init__(self) -> None:
        self.steps = self.start()

    def begin_again(self) -> None:
        """What it knew is gone, and what it had not committed."""
        self.steps.close()
        self.steps = self.start()

    @property
    def is_over(self) -> bool:
        """Its database is down or is another one by now."""
        return self.service is not None and (self.service.down or self.service.life != self.life)


def run(seed: int, safeguards: Safeguards = PROTOCOL, faults: Faults = USUAL) -> Outcome:
    """One story to its end, or to the first thing that cannot be mended."""
    world = World.create(seed, tell(seed, faults.days), safeguards, faults)
    schedule = _Schedule(world)
    try:
        finished = schedule.run()
    except Deadlock as deadlock:
        world.truth.red("deadlock", str(deadlock))
    else:
        oracle.look_at_the_end(world, finished)
    counts = world.counts + oracle.sizes(world)
    counts["steps"] = schedule.taken
    return Outcome(seed, world.truth.found, counts)


class _Schedule:
    def __init__(self, world: World) -> None:
        self._world = world
        self._processes = _cast(world)
        self._wakes = [(world.rng.uniform(0, 20), number) for number in range(len(self._processes))]
        heapq.heapify(self._wakes)
        for process in self._processes:
            if world.rng.random() < world.faults.slow_process:
                process.pace = world.rng.choice((2.0, 4.0, 8.0))
        if world.rng.random() < world.faults.partition_without_leader:
            world.bus.leaderless = (world.rng.choice(TOPICS), world.rng.randrange(PARTITIONS))
        self.taken = 0

    def run(self) -> bool:
        """True when everything has drained, False at the limit."""
        while self.taken < LIMIT:
            self.taken += 1
            self._step()
            if self.taken % 50 == 0 and not self._world.unfinished:
                if oracle.drained(self._world):
                    return True
                if oracle.drained_but(self._world, self._world.bus.leaderless):
                    self._world.bus.leaderless = None
        return False

    def _step(self) -> None:
        world = self._world
        world.now, number = self._wakes[0]
        world.bus.land(world.now)
        process = self._processes[number]
        if process.mortal and world.rng.random() < world.faults.crash:
            world.counts["crashes"] += 1
            process.begin_again()
            delay = world.rng.uniform(5, 80)
        elif process.service is not None and process.is_over:
            process.begin_again()
            process.life = process.service.life
            delay = world.rng.uniform(1, 20)
        else:
            label = next(process.steps, None)
            if label is None:
                heapq.heappop(self._wakes)
                return
            delay = self._delay(label) * process.pace
        heapq.heapreplace(self._wakes, (world.now + delay, number))

    def _delay(self, label: str) -> float:
        rng = self._world.rng
        if label == IDLE:
            return rng.uniform(4, 16)
        if label == WAITING:
            return rng.uniform(0.5, 3)
        if rng.random() < self._world.faults.pause:
            return rng.uniform(20, 150)
        return rng.uniform(0.1, 2)


def _consume(world: World, place: Place) -> Steps:
    return Consumer(world, place).run()


def _cast(world: World) -> list[Process]:
    """Everybody who acts. Sources and the operator live for ever; all others may crash anywhere."""
    found: list[Process] = []
    for stream in world.story.streams:
        world.unfinished.add(f"{stream.source} {stream.kind}")
        service = world.services[stream.topic]
        found.append(Process(partial(sources.deliver, world, service, stream), False))
    world.unfinished.update(("links", "rewinds", "restore", "rebuild"))
    found.append(Process(partial(sources.link, world, world.services["orders"]), False))
    found.append(Process(partial(operations.rewind_and_republish, world), False))
    found.append(Process(partial(operations.replay_letters, world)))
    people = (disasters.restore, disasters.rebuild, disasters.confirm_restores, disasters.zombie, sources.ask_again)
    found += [Process(partial(each, world), False) for each in people]
    for service in world.services.values():
        found += [Process(partial(producer.worker, world, service), service=service) for _ in range(WORKERS)]
        found += [Process(partial(relay, world, service), service=service) for _ in range(RELAYS)]
        found.append(Process(partial(republishing.republisher, world, service), service=service))
    for place in world.bus.logs:
        twice = world.rng.random() < world.faults.second_consumer
        found += [Process(partial(_consume, world, place)) for _ in range(2 if twice else 1)]
    return found
