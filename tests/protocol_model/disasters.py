"""What befalls databases: a producer is restored from an older backup, somebody confirms it, a consumer is emptied."""

from collections.abc import Set
from dataclasses import replace
from typing import Any

from tests.protocol_model.database import Table
from tests.protocol_model.operations import wait
from tests.protocol_model.relay import speak
from tests.protocol_model.republishing import ask, confirm
from tests.protocol_model.service import Backup, Service
from tests.protocol_model.snapshots import IDLE, PARTITIONS, TOPICS, Snapshot, Steps
from tests.protocol_model.store import Marks, Name
from tests.protocol_model.world import World


def restore(world: World) -> Steps:
    """A backup is taken at some moment, and put back once or twice at others."""
    rng, faults = world.rng, world.faults
    if rng.random() < faults.restore:
        service = world.services[rng.choice(TOPICS)]
        yield from wait(world, 20, 600)
        backup = service.backup()
        for _ in range(2 if rng.random() < faults.restored_twice else 1):
            yield from wait(world, 20, 400)
            yield from _fall_back(world, service, backup)
            if rng.random() < 0.5:
                yield from wait(world, 20, 200)
                backup = service.backup()
    world.unfinished.discard("restore")


def _fall_back(world: World, service: Service, backup: Backup) -> Steps:
    """Into the same server it takes time and the former life is over; beside it another server may speak at once."""
    other = world.rng.random() < world.faults.other_server
    service.down = True
    while not other and world.bus.flying(service.topic):
        yield IDLE
    before = dict(service.documents.rows)
    forgotten = service.handled.rows.keys() - backup["handled"].keys()
    had_looked = service.looked == service.life
    former = service.restore(backup, service.server + other)
    world.truth.restored(before, dict(service.documents.rows), forgotten)
    for name in [name for name, snapshot in world.owed.items() if snapshot.producer == service.topic]:
        del world.owed[name]
    world.counts["restored"] += 1
    if had_looked and world.rng.random() < world.faults.zombie:
        world.zombies.append(former)
    yield from wait(world, 1, 40)
    service.down = False
    marks = world.store.marks.rows
    if any(mark.closed for (topic, _), mark in marks.items() if topic == service.topic):
        # What a rebuild waits for may have been asked of the life that is over.
        yield from ask(world, service, whole=True)
    _send_again(world, service, forgotten)


def _send_again(world: World, service: Service, forgotten: Set[str]) -> None:
    share = world.rng.choice((0.0, 0.5, 1.0))
    for key, command in world.asked.items():
        if key in forgotten and key in service.answered and (command.kind == "beat" or world.rng.random() < share):
            world.lost.append((service, command))


def zombie(world: World) -> Steps:
    """The relay of a life that was left, and does not know. Where nobody noticed the restore, it had been stopped."""
    while True:
        yield IDLE
        if not world.zombies:
            continue
        former = world.zombies[0]
        service = world.services[former.topic]
        while service.down or (service.looked != service.life and service.epoch == former.epoch):
            yield IDLE
        if service.epoch > former.epoch:
            yield from wait(world, 0, 300)
            while former.outbox.rows:
                world.counts["rows of former lives"] += 1
                yield from speak(world, former)
        world.zombies.pop(0)


def confirm_restores(world: World) -> Steps:
    """A person looks at what is lost, when everything that is not has come through to the consumer and was read."""
    while True:
        yield from wait(world, 10, 60)
        for service in world.services.values():
            runs = [run for run in service.republications.rows.values() if run.restored]
            last = max(runs, key=lambda run: run.number, default=None)
            if last is None or service.down or not last.completed or last.confirmed:
                continue
            if _all_seen(world, service, last.epoch):
                yield from wait(world, 0, 200)
                if not service.down and _all_seen(world, service, last.epoch):
                    yield from confirm(world, service)


def _all_seen(world: World, service: Service, epoch: int) -> bool:
    marks = [world.store.marks.rows.get((service.topic, part), Marks()) for part in range(PARTITIONS)]
    letters = world.store.letters.rows.items()
    unread = any(key[0] == service.topic and not letter.resolved for key, letter in letters)
    return all(mark.complete >= epoch for mark in marks) and not (
        unread and world.safeguards.letters_read_before_confirming
    )


def rebuild(world: World) -> Steps:
    """The consumer is emptied, and reads the log again or has everything sent again."""
    rng = world.rng
    if rng.random() < world.faults.rebuild:
        yield from wait(world, 50, 900)
        whole = rng.random() < 0.5
        yield from begin(world, whole)
        if rng.random() < 0.3:
            yield from wait(world, 0, 100)
            yield from begin(world, rng.random() < 0.5)
    world.unfinished.discard("rebuild")


def begin(world: World, whole: bool) -> Steps:
    """Empty the consumer and ask for what it needs."""
    if whole:
        # What only an unreadable revision would say again is better read from the log.
        world.poison.clear()
    if world.safeguards.rebuild_asks_under_locks:
        yield from _empty(world, whole, {})
        return
    wanted = {}
    for topic, service in world.services.items():
        wanted[topic] = (service.epoch, max(service.republications.rows, default=0) + 1)
        yield "asked"
    yield from _empty(world, whole, wanted)
    for service in world.services.values():
        yield from ask(world, service, whole=whole)


def _empty(world: World, whole: bool, wanted: dict[str, Name]) -> Steps:
    """Nobody applies anything from the locks on: what the run asked for then says lies behind all that was judged."""
    store = world.store
    with store.database.begin() as tx:
        for place in sorted(world.bus.logs):
            yield from tx.lock("cursor", *map(str, place))
        yield from tx.lock("markers")
        yield from tx.lock("alias")
        starts = {place: world.bus.end(place) if whole else 0 for place in world.bus.logs}
        for topic, service in world.services.items():
            if topic not in wanted:
                wanted[topic] = yield from ask(world, service, whole=whole)
        for place, start in starts.items():
            held = tx.get(store.marks, place) or Marks()
            tx.put(store.marks, place, replace(held, closed=True, wanted=wanted[place[0]], begun=None))
            tx.put(store.cursors, place, start)
        world.owed |= _owed(world)
        tables: list[Table[str, Any]] = [store.documents, store.links, store.beats, store.facts]
        for table in tables:
            for name in list(table.rows):
                tx.put(table, name, None)
        for key, letter in store.letters.rows.items():
            tx.put(store.letters, key, replace(letter, resolved=False))
        world.counts["rebuilt"] += 1
        tx.commit()


def _owed(world: World) -> dict[str, Snapshot]:
    """What is held and its producer still has."""
    held = {**world.store.documents.rows, **world.store.links.rows}
    known = {snapshot.id for service in world.services.values() for snapshot in service.documents.rows.values()}
    return {name: snapshot for name, snapshot in held.items() if name in known}
