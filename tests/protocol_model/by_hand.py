"""A world without chance for schedules made by hand: what is written, what has landed, who steps how far."""

from tests.protocol_model import oracle
from tests.protocol_model.bus import Record
from tests.protocol_model.consumer import Consumer
from tests.protocol_model.database import Deadlock
from tests.protocol_model.faults import NONE
from tests.protocol_model.operations import replay
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.snapshots import IDLE, WAITING, Snapshot, Steps, beat_id, partition_of
from tests.protocol_model.story import Story
from tests.protocol_model.world import World

PATIENCE = 200
"""Turns in which a schedule must end."""


class Stage:
    """Topic `orders` only; one consumer per partition, moved by hand."""

    def __init__(self, safeguards: Safeguards) -> None:
        self.world = World.create(0, Story([], []), safeguards, NONE)

    def order(self, name: str, revision: int, customer: str, at: int, bill: str = "") -> Snapshot:
        return self._written(
            Snapshot("order", name, "erp", revision, sold=customer, bill=bill or customer, at=at, amount=10)
        )

    def link(self, absorbed: str, survivor: str) -> Snapshot:
        return self._written(Snapshot("link", "link-0", "staff", 1, sold=absorbed, bill=survivor))

    def beats(self, at: int) -> list[Snapshot]:
        return [self._written(Snapshot("beat", beat_id(s, "order"), s, 1, at=at)) for s in ("erp", "shop")]

    def land(self, part: int, *snapshots: Snapshot, topic: str = "orders") -> None:
        """Append to the log what the relay would have sent to this partition."""
        log = self.world.bus.logs[topic, part]
        for snapshot in snapshots:
            key = next((party for party in snapshot.parties if partition_of(party) == part), "")
            log.append(Record(len(log), key, snapshot))

    def consumer(self, part: int, topic: str = "orders") -> Steps:
        return Consumer(self.world, (topic, part)).run()

    def apply_all(self, *parts: int, topic: str = "orders") -> None:
        """Each partition by a consumer of its own, one after another."""
        for part in parts:
            self.finish(self.consumer(part, topic))

    def advance(self, steps: Steps, until: str) -> None:
        """Up to and with this step, or to the lock it must wait for."""
        while next(steps) not in (until, WAITING):
            pass

    def finish(self, *running: Steps) -> None:
        """In turns, until nobody has anything left to do."""
        waiting = list(running)
        for _ in range(PATIENCE):
            waiting = [steps for steps in waiting if next(steps) != IDLE]
        assert not waiting, "somebody waits for a step that this schedule does not take"

    def verdict(self) -> dict[str, str]:
        """Replay what is in the dead letters, then compare everything."""
        for key, letter in list(self.world.store.letters.rows.items()):
            if not letter.resolved:
                for _ in replay(self.world, key):
                    pass
        oracle.look_at_the_end(self.world, True)
        return self.world.truth.found

    def _written(self, snapshot: Snapshot) -> Snapshot:
        self.world.services["orders"].documents.rows[snapshot.id] = snapshot
        self.world.truth.written(f"{snapshot.id}.{snapshot.revision}", snapshot)
        return snapshot


def revisions_in_two_partitions(safeguards: Safeguards) -> dict[str, str]:
    """Revision 1 names c0, revision 2 names c1, and both are applied at once for the first time."""
    stage = Stage(safeguards)
    first, second = stage.order("order-1", 1, "c0", 1), stage.order("order-1", 2, "c1", 1)
    stage.land(0, first)
    stage.land(1, second)
    left, right = stage.consumer(0), stage.consumer(1)
    stage.advance(left, "facts read")
    stage.advance(right, "facts read")
    stage.finish(left)
    stage.land(0, second)
    stage.finish(right)
    stage.apply_all(0)
    return stage.verdict()


def same_documents_the_other_way_round(safeguards: Safeguards) -> dict[str, str]:
    """Two documents of c0 and c1 land in their partitions in different order."""
    stage = Stage(safeguards)
    one, other = stage.order("order-1", 1, "c0", 1, "c1"), stage.order("order-2", 1, "c1", 2, "c0")
    stage.land(0, one, other)
    stage.land(1, other, one)
    left, right = stage.consumer(0), stage.consumer(1)
    stage.advance(left, "document locked")
    stage.advance(right, "document locked")
    try:
        stage.finish(left, right)
    except Deadlock as deadlock:
        return {"deadlock": str(deadlock)}
    return stage.verdict()


def letter_behind_the_back(safeguards: Safeguards) -> dict[str, str]:
    """While c1's partition is about to judge the group, c0's stores a letter and passes its beats."""
    stage = Stage(safeguards)
    link, first = stage.link("c0", "c1"), stage.order("order-1", 1, "c0", 1)
    stage.land(0, link, first)
    stage.land(1, link)
    stage.apply_all(0, 1)
    unreadable = stage.order("order-2", 1, "c0", 3)
    stage.world.poison["order-2", 1] = "body"
    beats = stage.beats(20)
    stage.land(1, *beats)
    judging = stage.consumer(1)
    stage.advance(judging, "held read")
    stage.land(0, unreadable, *beats)
    stage.apply_all(0)
    stage.finish(judging)
    stage.land(2, *beats)
    stage.apply_all(2)
    return stage.verdict()


def two_members_at_once(safeguards: Safeguards) -> dict[str, str]:
    """c0's partition opens an episode of the group while c1's applies the late order that contradicts it."""
    stage = Stage(safeguards)
    link, first, beats = stage.link("c0", "c1"), stage.order("order-1", 1, "c0", 1), stage.beats(20)
    stage.land(0, link, first)
    stage.land(1, link, *beats)
    stage.land(2, *beats)
    stage.apply_all(0, 1, 2)
    late = stage.order("order-2", 1, "c1", 3)
    stage.land(0, *beats)
    stage.land(1, late)
    opening, contradicting = stage.consumer(0), stage.consumer(1)
    stage.advance(opening, "judged")
    stage.advance(contradicting, "judged")
    stage.finish(opening, contradicting)
    return stage.verdict()


def two_beats_at_once(safeguards: Safeguards) -> dict[str, str]:
    """c0's and c1's partition pass the beats of their group at the same time: the second one has to see the first."""
    stage = Stage(safeguards)
    link, first, beats = stage.link("c0", "c1"), stage.order("order-1", 1, "c0", 1), stage.beats(20)
    stage.land(0, link, first)
    stage.land(1, link)
    stage.apply_all(0, 1)
    for part in (0, 1, 2):
        stage.land(part, *beats)
    stage.apply_all(2)
    left, right = stage.consumer(0), stage.consumer(1)
    stage.advance(left, "held read")
    stage.advance(right, "held read")
    stage.finish(left, right)
    return stage.verdict()
