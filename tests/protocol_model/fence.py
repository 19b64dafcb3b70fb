"""What a consumer concludes from markers: C7's gate after a rebuild, C8's fence against the life before a restore."""

from collections.abc import Generator
from dataclasses import dataclass, replace

from tests.protocol_model.database import Transaction
from tests.protocol_model.republishing import BEGUN, COMPLETE
from tests.protocol_model.snapshots import EPOCH, PARTITIONS, TOPICS, Snapshot
from tests.protocol_model.store import Marks
from tests.protocol_model.world import World


@dataclass(frozen=True)
class State:
    """What all partitions of one producer's topic have said."""

    closed: bool = False
    complete: int = 0
    confirmed: int = 0
    begun: int = 0
    """The highest epoch of which anything has begun anywhere."""


@dataclass(frozen=True)
class Taken:
    """What is left of a batch, and whether its documents are complete from now on."""

    snapshots: list[Snapshot]
    opened: bool


States = dict[str, State]
Taking = Generator[str, None, Taken]


def take(world: World, tx: Transaction, part: int, snapshots: list[Snapshot]) -> Taking:
    """Take the markers out and let them have their effect; what they retract comes among the snapshots."""
    marks = [snapshot for snapshot in snapshots if snapshot.kind == "marker"]
    if not marks and not world.store.marks.rows and not _of_new_epoch(snapshots, {}):
        return Taken(snapshots, False)
    if world.safeguards.markers_alone:
        alone = bool(marks) or bool(_of_new_epoch(snapshots, states(world, tx)))
        yield from tx.lock("markers", shared=not alone)
    before = states(world, tx)
    yield "markers read"
    for mark in marks:
        place = (mark.producer, part)
        held = tx.get(world.store.marks, place) or Marks()
        tx.put(world.store.marks, place, _marked(world, held, mark))
    now = states(world, tx)
    dropped = world.safeguards.former_life_dropped
    current = [
        snapshot
        for snapshot in snapshots
        if snapshot.kind != "marker" and not (dropped and snapshot.epoch < now[snapshot.producer].confirmed)
    ]
    retracted = [*_replaced(world, tx, current, now), *_lost(world, tx, before, now)]
    opened = bool(marks) and _any_closed(before) and not _any_closed(now)
    return Taken([*retracted, *_late(world, tx, current, now)], opened)


def is_closed(world: World, tx: Transaction) -> bool:
    """Whether documents may be missing, so that nothing is judged."""
    return world.safeguards.gate_closed and _any_closed(states(world, tx))


def states(world: World, tx: Transaction) -> States:
    """By producer."""
    rows = tx.rows(world.store.marks)
    return {topic: _state(world, [rows.get((topic, part), Marks()) for part in range(PARTITIONS)]) for topic in TOPICS}


def _state(world: World, marks: list[Marks]) -> State:
    """Between the first word of a new epoch and the end of its republication two lives are mixed: closed as well."""
    safe = world.safeguards
    every = min if safe.lost_after_all_partitions else max
    some = any if safe.gate_of_all_partitions else all
    complete = min(mark.complete for mark in marks)
    begun = max(max(mark.complete, (mark.begun or (0, 0))[0]) for mark in marks)
    restoring = safe.closed_while_restoring and begun > max(complete, EPOCH)
    closed = some(mark.closed for mark in marks) or restoring
    return State(closed, complete, every(mark.confirmed for mark in marks), begun)


def _marked(world: World, held: Marks, mark: Snapshot) -> Marks:
    name = (mark.epoch, mark.run)
    if mark.phase == BEGUN:
        return replace(held, begun=max(name, held.begun or (0, 0)))
    if mark.phase == COMPLETE:
        begun = held.begun == name or not world.safeguards.gate_wants_its_beginning
        late_enough = name >= held.wanted or not world.safeguards.gate_wants_its_number
        closed = held.closed and not (begun and late_enough)
        return replace(held, complete=max(held.complete, mark.epoch), closed=closed)
    return replace(held, confirmed=max(held.confirmed, mark.epoch))


def _any_closed(found: States) -> bool:
    return any(state.closed for state in found.values())


def _of_new_epoch(snapshots: list[Snapshot], found: States) -> list[Snapshot]:
    """Documents of producers that were restored, as long as nobody has confirmed what they lost."""
    return [
        snapshot
        for snapshot in snapshots
        if snapshot.kind not in ("beat", "marker")
        and snapshot.epoch > EPOCH
        and snapshot.epoch > found.get(snapshot.producer, State()).confirmed
    ]


def _replaced(world: World, tx: Transaction, current: list[Snapshot], found: States) -> list[Snapshot]:
    """A lost document that comes again under another id would count beside the one that is held."""
    new = [snapshot for snapshot in _of_new_epoch(current, found) if snapshot.live and world.safeguards.replaced]
    if not new:
        return []
    held = {snapshot.id: snapshot for snapshot in _documents(world, tx)}
    for snapshot in current if world.safeguards.replaced_in_batch else []:
        if snapshot.id not in held or held[snapshot.id].version < snapshot.version:
            held[snapshot.id] = snapshot
    return [
        _retraction(lost, snapshot.epoch)
        for snapshot in new
        for lost in held.values()
        if lost.natural == snapshot.natural and lost.id != snapshot.id and lost.epoch < snapshot.epoch
    ]


def _late(world: World, tx: Transaction, current: list[Snapshot], found: States) -> list[Snapshot]:
    """The lost one may as well come behind the one that replaces it, through another partition: it is dropped."""
    older = [snapshot for snapshot in current if snapshot.epoch < found[snapshot.producer].begun]
    if not older or not world.safeguards.replaced_when_late:
        return current
    held = _documents(world, tx)
    return [
        snapshot
        for snapshot in current
        if not any(
            snapshot.epoch < other.epoch and other.natural == snapshot.natural and other.id != snapshot.id
            for other in held
        )
    ]


def _lost(world: World, tx: Transaction, before: States, now: States) -> list[Snapshot]:
    """What is retracted by the confirmation that has come through the last partition; its beats are silenced."""
    retracted: list[Snapshot] = []
    for topic in TOPICS:
        old, new = before[topic].confirmed, now[topic].confirmed
        if not world.safeguards.lost_kept_until_confirmed:
            old, new = before[topic].complete, now[topic].complete
        if new <= max(old, EPOCH) or not world.safeguards.lost_retracted:
            continue
        held = [snapshot for snapshot in _documents(world, tx) if snapshot.producer == topic]
        retracted += [_retraction(snapshot, new) for snapshot in held if snapshot.epoch < new]
        for name, beat in tx.rows(world.store.beats).items():
            if beat.producer == topic and beat.epoch < new:
                tx.put(world.store.beats, name, None)
    return retracted


def _retraction(snapshot: Snapshot, epoch: int) -> Snapshot:
    """Revision 0 of the new epoch: above everything of the old one, below whatever the producer may say itself."""
    return replace(snapshot, epoch=epoch, revision=0, live=False)


def _documents(world: World, tx: Transaction) -> list[Snapshot]:
    return [*tx.rows(world.store.documents).values(), *tx.rows(world.store.links).values()]
