"""Producing under P1 and P2: the workers that answer commands, and republishing (P6)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tests.protocol_model.bus import Row
from tests.protocol_model.database import Transaction
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.service import Service
from tests.protocol_model.snapshots import IDLE, PARTITIONS, Snapshot, Steps, partition_of
from tests.protocol_model.story import Command
from tests.protocol_model.world import World


def worker(world: World, service: Service) -> Steps:
    """Takes requests one after another. A crash loses the request and its answer, never half a transaction."""
    while True:
        if not service.requests:
            yield IDLE
            continue
        command = service.requests.popleft()
        yield "taken"
        yield from answer(world, service, command)
        yield "committed"
        if world.rng.random() >= world.faults.lost_answer:
            service.answered.add(command.key)


def answer(world: World, service: Service, command: Command) -> Steps:
    """P1: lock, next revision, document and outbox rows in one transaction."""
    once = world.safeguards.repeated_request_writes_nothing
    with service.database.begin() as tx:
        if once:
            yield from tx.lock("request", command.key)
            if tx.get(service.handled, command.key):
                return
        if world.safeguards.revision_row_lock:
            yield from tx.lock("document", command.document)
        previous = tx.get(service.documents, command.document)
        yield "document read"
        changed = revised(previous, command)
        tx.put(service.handled, command.key, True)
        if once and previous is not None and changed == replace(previous, revision=changed.revision):
            tx.at_commit(partial(world.truth.unchanged, command.key))
            tx.commit()
            return
        tx.put(service.documents, changed.id, changed)
        tx.at_commit(partial(world.truth.written, command.key, changed))
        rows = list(addressed(world.safeguards, previous, changed))
        if world.safeguards.outbox_in_same_transaction:
            yield from _write_rows(tx, service, rows, changed)
        world.maybe_poison(changed)
        tx.commit()
    if not world.safeguards.outbox_in_same_transaction:
        yield "document committed"
        with service.database.begin() as tx:
            yield from _write_rows(tx, service, rows, changed)
            tx.commit()


def revised(previous: Snapshot | None, command: Command) -> Snapshot:
    """The next revision with the fields of the command."""
    base = previous or Snapshot(command.kind, command.document, command.source, 0)
    fields: dict[str, Any] = command.fields
    return replace(base, revision=base.revision + 1, **fields)


def addressed(safeguards: Safeguards, previous: Snapshot | None, new: Snapshot) -> Iterator[tuple[int, str]]:
    """P2: (partition, key) for every party of the previous or the new snapshot; a beat goes to each partition."""
    if new.kind == "beat":
        parts = range(PARTITIONS) if safeguards.beat_in_every_partition else range(1)
        yield from ((part, "") for part in parts)
        return
    named = [new, previous] if previous is not None else [new]
    if not safeguards.previous_parties_addressed:
        named = [new]
    keys = [party for snapshot in named for party in snapshot.parties]
    if not safeguards.bill_to_addressed:
        keys = [snapshot.sold for snapshot in named]
    one = not safeguards.other_parties_addressed
    if one or (new.kind == "link" and not safeguards.link_sent_to_both_parties):
        keys = [new.sold]
    yield from ((partition_of(key), key) for key in dict.fromkeys(keys))


def _write_rows(tx: Transaction, service: Service, addressees: list[tuple[int, str]], snapshot: Snapshot) -> Steps:
    for part, key in addressees:
        row = Row(service.next_id(), part, key, snapshot)
        tx.put(service.outbox, row.id, row)
        yield "row written"


def republish(world: World, service: Service) -> Steps:
    """P6: current snapshots again, at their revision, without a lock, while everything else goes on."""
    for document in list(service.documents.rows):
        snapshot = service.documents.rows[document]
        yield "snapshot read"
        with service.database.begin() as tx:
            yield from _write_rows(tx, service, list(addressed(world.safeguards, None, snapshot)), snapshot)
            tx.commit()
