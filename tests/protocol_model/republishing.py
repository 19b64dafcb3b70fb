"""P6: all documents again between two markers, at any time, and the marker behind a confirmed restore."""

from collections.abc import Generator
from dataclasses import replace
from typing import Final

from tests.protocol_model.database import Transaction
from tests.protocol_model.producer import addressed, write_rows
from tests.protocol_model.safeguards import PROTOCOL
from tests.protocol_model.service import ONE, Republication, Service
from tests.protocol_model.snapshots import IDLE, Snapshot, Steps
from tests.protocol_model.world import World

BEGUN: Final = "begun"
COMPLETE: Final = "complete"
CONFIRMED: Final = "confirmed"
PAGE: Final = 4


def request(service: Service, tx: Transaction, *, whole: bool, restored: bool = False) -> tuple[int, int]:
    """Ask for a run; returns its name. What a restore makes void is forgotten."""
    runs = tx.rows(service.republications)
    if restored:
        for number in [number for number, run in runs.items() if not run.completed]:
            tx.put(service.republications, number, None)
            del runs[number]
    number = max(runs, default=0) + 1
    known = tx.get(service.incarnation, ONE)
    assert known is not None
    tx.put(service.republications, number, Republication(number, known.epoch, whole, restored))
    return known.epoch, number


def ask(world: World, service: Service, *, whole: bool) -> Generator[str, None, tuple[int, int]]:
    """An operator's request; returns the name of the run."""
    while service.down:
        yield IDLE
    with service.database.begin() as tx:
        yield from tx.lock("epoch", shared=True)
        yield from tx.lock("numbers")
        name = request(service, tx, whole=whole)
        world.counts["republished"] += 1
        tx.commit()
    return name


def republisher(world: World, service: Service) -> Steps:
    """One run after another, the oldest first. Everything it must remember is in the row of the run."""
    while True:
        if all(run.completed for run in service.republications.rows.values()):
            yield IDLE
            continue
        yield from _step(world, service)
        yield "piece sent"


def begin(world: World, tx: Transaction, service: Service, number: int) -> Steps:
    """The marker in front of the documents."""
    run = tx.get(service.republications, number)
    assert run is not None
    yield from _mark(tx, service, BEGUN, run)
    if not world.safeguards.complete_behind_documents:
        yield from _mark(tx, service, COMPLETE, run)
    tx.put(service.republications, number, replace(run, begun=True))


def _step(world: World, service: Service) -> Steps:
    safe = world.safeguards
    with service.database.begin() as tx:
        if safe.incarnation_locked_first:
            yield from tx.lock("epoch", shared=True)
        yield from tx.lock("republication")
        runs = [run for run in tx.rows(service.republications).values() if not run.completed]
        if not runs:
            return
        run = min(runs, key=lambda each: each.number)
        if not run.begun:
            yield from begin(world, tx, service, run.number)
        elif page := _page(world, service, run):
            yield "snapshots read"
            if not safe.page_with_its_cursor:
                yield from _move_first(service, run, page)
            for snapshot in page:
                yield from write_rows(tx, service, list(addressed(safe, None, snapshot)), snapshot)
            tx.put(service.republications, run.number, replace(run, cursor=_place(world, page[-1])))
        else:
            if safe.complete_behind_documents:
                yield from _mark(tx, service, COMPLETE, run)
            tx.put(service.republications, run.number, replace(run, completed=True))
            last = last_restore(service, tx)
            if safe.confirmation_repeated and last is not None and last.confirmed:
                yield from _mark(tx, service, CONFIRMED, last)
        tx.commit()


def last_restore(service: Service, tx: Transaction) -> Republication | None:
    """The run after the last restore."""
    runs = [run for run in tx.rows(service.republications).values() if run.restored]
    return max(runs, key=lambda each: each.number, default=None)


def confirm(world: World, service: Service) -> Steps:
    """A person has seen what was lost by the last restore: it may go."""
    with service.database.begin() as tx:
        if world.safeguards.incarnation_locked_first:
            yield from tx.lock("epoch", shared=True)
        yield from tx.lock("restore")
        run = last_restore(service, tx)
        if run is None or not run.completed or run.confirmed:
            return
        yield from _mark(tx, service, CONFIRMED, run)
        tx.put(service.republications, run.number, replace(run, confirmed=True))
        world.counts["confirmed"] += 1
        tx.at_commit(lambda: world.truth.confirmed.add((service.topic, run.epoch)))
        tx.commit()


def _place(world: World, snapshot: Snapshot) -> tuple[bool, str]:
    return snapshot.kind == "beat" and world.safeguards.beats_sent_last, snapshot.natural


def _page(world: World, service: Service, run: Republication) -> list[Snapshot]:
    """Current snapshots behind the cursor, read without a lock; beats come last."""
    if not run.whole:
        return []
    documents = [snapshot for snapshot in service.documents.rows.values() if snapshot.kind != "marker"]
    ordered = sorted(documents, key=lambda snapshot: _place(world, snapshot))
    return [snapshot for snapshot in ordered if _place(world, snapshot) > run.cursor][:PAGE]


def _move_first(service: Service, run: Republication, page: list[Snapshot]) -> Steps:
    """The removed safeguard: the cursor in a transaction of its own, before the rows."""
    with service.database.begin() as tx:
        tx.put(service.republications, run.number, replace(run, cursor=(page[-1].kind == "beat", page[-1].natural)))
        tx.commit()
    yield "cursor moved"


def _mark(tx: Transaction, service: Service, phase: str, run: Republication) -> Steps:
    """One document for all phases: each is its next revision."""
    yield from tx.lock("epoch", shared=True)
    name = f"marker-{service.topic}"
    yield from tx.lock("document", name)
    fresh = Snapshot("marker", name, service.topic, 0, epoch=run.epoch)
    held = tx.get(service.documents, name) or fresh
    marker = replace(held, revision=held.revision + 1, phase=phase, run=run.number)
    tx.put(service.documents, name, marker)
    yield from write_rows(tx, service, list(addressed(PROTOCOL, None, marker)), marker)
