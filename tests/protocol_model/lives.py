"""P4: how a service finds out that its database is older than what it has said, and the epoch it begins then."""

from dataclasses import replace
from typing import Final

from tests.protocol_model.database import Transaction
from tests.protocol_model.republishing import begin, request
from tests.protocol_model.service import ONE, Incarnation, Service
from tests.protocol_model.snapshots import PARTITIONS, Steps
from tests.protocol_model.world import World

TAIL: Final = 12
"""Records looked at in each partition."""
CLOCK: Final = 1000
"""A clock outside the database shows more than any epoch that was counted."""

Version = tuple[int, int]


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
            highest = max([now.epoch, *(version[0] for version in newest.values())])
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


def _sign_of_restore(world: World, service: Service, known: Incarnation, newest: dict[str, Version]) -> bool:
    safe = world.safeguards
    if safe.identity_compared and known.server != service.server:
        return True
    held = {snapshot.id: snapshot.version for snapshot in service.documents.rows.values()}
    said = {
        name: version for name, version in newest.items() if version[0] >= known.epoch or not safe.former_lives_ignored
    }
    return safe.log_compared and any(held.get(name, (0, 0)) < version for name, version in said.items())


def _newest_in_log(world: World, service: Service) -> dict[str, Version]:
    newest: dict[str, Version] = {}
    for part in range(PARTITIONS):
        place = (service.topic, part)
        for record in world.bus.fetch(place, world.bus.end(place) - TAIL, TAIL):
            snapshot = record.snapshot
            newest[snapshot.id] = max(snapshot.version, newest.get(snapshot.id, (0, 0)))
    return newest
