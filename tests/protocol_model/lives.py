"""P4: how a service finds out that its database is older than what it has said, and the epoch it begins then."""

from dataclasses import replace
from typing import Final

from tests.protocol_model.database import Transaction
from tests.protocol_model.republishing import begin, request
from tests.protocol_model.service import ONE, Incarnation, Service
from tests.protocol_model.snapshots import PARTITIONS, Snapshot, Steps
from tests.protocol_model.world import World

TAIL: Final = 12
"""Records looked at in each partition."""
CLOCK: Final = 1000
"""A clock outside the database shows more than any epoch that was counted."""

Newest = dict[str, Snapshot]


def look(world: World, service: Service) -> Steps:
    """Compare the own log and server with the own database; begin a new epoch if the database is the older one."""
    life = service.life
    newest = _newest_in_log(world, service)
    yield "log read"
    known = service.incarnation.rows[ONE]
    if not _sign_of_restore(world, service, known, newest):
        service.looked = life
        return
    with service.database.begin() as tx:
        if world.safeguards.raise_excludes_writers:
            yield from tx.lock("epoch")
        now = tx.get(service.incarnation, ONE)
        assert now is not None
        if now == known or _sign_of_restore(world, service, now, newest):
            highest = max([now.epoch, *(said.epoch for said in newest.values())])
            outside = max(highest + 1, CLOCK + int(world.now))
            epoch = outside if world.safeguards.epoch_from_outside else now.epoch + 1
            tx.put(service.incarnation, ONE, Incarnation(service.server, epoch))
            yield from tx.lock("republication")
            yield "epoch taken"
            yield from _lift(service, tx, epoch)
            if world.safeguards.raise_forgets_outbox:
                for row in list(service.outbox.rows):
                    tx.put(service.outbox, row, None)
            if world.safeguards.raise_republishes:
                name = request(service, tx, whole=True, restored=True)
                if world.safeguards.begun_with_the_epoch:
                    yield from begin(world, tx, service, name[1])
            tx.at_commit(lambda: world.truth.raised(service.topic, life))
            world.counts["raised"] += 1
        tx.commit()
    service.looked = life


def _lift(service: Service, tx: Transaction, epoch: int) -> Steps:
    """Every document gets the epoch. A beat may be written by who has not asked for it: its row is waited for."""
    for natural in sorted(service.documents.rows):
        if service.documents.rows[natural].kind == "beat":
            yield from tx.lock("document", natural)
    for natural, snapshot in service.documents.rows.items():
        tx.put(service.documents, natural, replace(snapshot, epoch=epoch))


def _sign_of_restore(world: World, service: Service, known: Incarnation, newest: Newest) -> bool:
    safe = world.safeguards
    if safe.identity_compared and known.server != service.server:
        return True
    held = {snapshot.id: snapshot for snapshot in service.documents.rows.values()}
    said = [one for one in newest.values() if one.epoch >= known.epoch or not safe.former_lives_ignored]
    return safe.log_compared and any(_is_forgotten(one, held.get(one.id), safe.contents_compared) for one in said)


def _is_forgotten(said: Snapshot, held: Snapshot | None, contents: bool) -> bool:
    """Who wrote before this look may have given away the very revision that the log has."""
    if held is None or held.version < said.version:
        return True
    return contents and held.version == said.version and held != said


def _newest_in_log(world: World, service: Service) -> Newest:
    newest: Newest = {}
    for part in range(PARTITIONS):
        place = (service.topic, part)
        for record in world.bus.fetch(place, world.bus.end(place) - TAIL, TAIL):
            said = record.snapshot
            if said.id not in newest or said.version > newest[said.id].version:
                newest[said.id] = said
    return newest
