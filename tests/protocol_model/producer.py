"""Producing under P1 and P2: the workers that answer commands. Sending again is `republishing`."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tests.protocol_model.bus import Row
from tests.protocol_model.database import Transaction
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.service import ONE, Service
from tests.protocol_model.snapshots import IDLE, PARTITIONS, Snapshot, Steps, partition_of
from tests.protocol_model.story import Command
from tests.protocol_model.world import World

Answer = Generator[str, None, bool]


def worker(world: World, service: Service) -> Steps:
    """Takes requests one after another. A crash loses the request and its answer, never half a transaction."""
    while True:
        if not service.requests:
            yield IDLE
            continue
        command = service.requests.popleft()
        yield "taken"
        answered = yield from answer(world, service, command)
        yield "committed"
        if answered and world.rng.random() >= world.faults.lost_answer:
            service.answered.add(command.key)


def answer(world: World, service: Service, command: Command) -> Answer:
    """P1: lock, next revision, document and outbox rows in one transaction. False is "try again later"."""
    once = world.safeguards.repeated_request_writes_nothing
    with service.database.begin() as tx:
        if command.kind != "beat" or world.safeguards.beats_ask_for_the_epoch:
            yield from tx.lock("epoch", shared=True)
        if command.kind == "beat" and service.restoring and world.safeguards.beats_wait_for_complete:
            return False
        yield "epoch read"
        if once:
            yield from tx.lock("request", command.key)
            if tx.get(service.handled, command.key):
                return True
        if world.safeguards.revision_row_lock:
            yield from tx.lock("document", command.document)
        previous = tx.get(service.documents, command.document)
        yield "document read"
        changed = revised(previous, command, service)
        if changed is None:
            return True
        tx.put(service.handled, command.key, True)
        if once and previous is not None and changed == replace(previous, revision=changed.revision):
            tx.at_commit(partial(world.truth.unchanged, command.key))
            tx.commit()
            return True
        tx.put(service.documents, changed.natural, changed)
        tx.at_commit(partial(world.truth.written, command.key, changed))
        rows = list(addressed(world.safeguards, previous, changed))
        if world.safeguards.outbox_in_same_transaction:
            yield from write_rows(tx, service, rows, changed)
        world.maybe_poison(changed)
        tx.commit()
    if not world.safeguards.outbox_in_same_transaction:
        yield "document committed"
        with service.database.begin() as tx:
            yield from write_rows(tx, service, rows, changed)
            tx.commit()
    return True


def revised(previous: Snapshot | None, command: Command, service: Service) -> Snapshot | None:
    """The next revision with the fields of the command; None for an amendment of what is not there (any more)."""
    fields: dict[str, Any] = dict(command.fields)
    if previous is None:
        if command.kind != "beat" and not {"sold", "bill"} <= fields.keys():
            return None
        name = service.name_for(command.document, command.kind)
        number = command.document if name != command.document else ""
        epoch = service.incarnation.rows[ONE].epoch
        previous = Snapshot(command.kind, name, command.source, 0, epoch=epoch, number=number)
    if command.kind == "beat":
        fields["at"] = max(previous.at, fields["at"])
    return replace(previous, revision=previous.revision + 1, **fields)


def addressed(safeguards: Safeguards, previous: Snapshot | None, new: Snapshot) -> Iterator[tuple[int, str]]:
    """P2: (partition, key) for every party of the previous or the new snapshot; beats and markers to each partition."""
    if new.kind in ("beat", "marker"):
        everywhere = new.kind == "marker" or safeguards.beat_in_every_partition
        yield from ((part, "") for part in range(PARTITIONS if everywhere else 1))
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


def write_rows(tx: Transaction, service: Service, addressees: list[tuple[int, str]], snapshot: Snapshot) -> Steps:
    for part, key in addressees:
        row = Row(service.next_id(), part, key, snapshot)
        tx.put(service.outbox, row.id, row)
        yield "row written"
