"""The relay of P3: present rows in id order, a quota and one batch per partition, deletes what was acknowledged.

Before its first row it looks whether it may speak: its database could be older than its log.
"""

from collections.abc import Iterable
from typing import Final

from tests.protocol_model.bus import Request, Row
from tests.protocol_model.lives import look
from tests.protocol_model.service import Service
from tests.protocol_model.snapshots import IDLE, PARTITIONS, Steps
from tests.protocol_model.world import World

QUOTA: Final = 5
WINDOW: Final = 8
"""What the removed quota leaves: one limit over all partitions."""
PATIENCE: Final = 30


def relay(world: World, service: Service) -> Steps:
    """For ever. It keeps nothing between rounds, so an error needs no repair."""
    me, first = object(), True
    try:
        while True:
            if world.safeguards.single_relay and service.leader not in (None, me):
                yield IDLE
                continue
            service.leader = me
            if first and world.safeguards.look_before_sending:
                yield from look(world, service)
            yield from speak(world, service)
            if first and not world.safeguards.look_before_sending:
                yield from look(world, service)
            first = False
    finally:
        if service.leader is me:
            service.leader = None


def speak(world: World, service: Service) -> Steps:
    """One round: a batch of each partition, or nothing."""
    batches = _batches(world, service)
    if not batches:
        yield IDLE
        return
    yield "selected"
    requests = [world.bus.send(world.now, (service.topic, batch[0].part), batch) for batch in batches]
    yield "sent"
    yield from _settle(world, service, requests)


def _settle(world: World, service: Service, requests: list[Request]) -> Steps:
    """Delete each batch when it is acknowledged; give up on the others after a while."""
    waiting = list(requests)
    while waiting:
        yield "polled"
        for request in list(waiting):
            done = request.acknowledged is not None and request.acknowledged <= world.now
            given_up = world.now - request.sent > PATIENCE
            if not (done or given_up):
                continue
            waiting.remove(request)
            if done or not world.safeguards.delete_only_acknowledged:
                yield from _delete(world, service, request.rows)


def _batches(world: World, service: Service) -> list[tuple[Row, ...]]:
    """At most one batch per partition, unless that safeguard is gone."""
    found: list[tuple[Row, ...]] = []
    for rows in _selected(world, service):
        size = QUOTA if world.safeguards.one_batch_in_flight else 2
        found += [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]
    return found


def _selected(world: World, service: Service) -> list[list[Row]]:
    rows: Iterable[Row] = sorted(service.outbox.rows.values(), key=lambda row: row.id)
    if not world.safeguards.relay_in_id_order:
        rows = world.rng.sample(list(rows), len(list(rows)))
    if not world.safeguards.relay_selects_present_rows:
        rows = [row for row in rows if row.id > service.relayed.get(row.part, 0)]
    if not world.safeguards.quota_per_partition:
        rows = list(rows)[:WINDOW]
    rows = list(rows)
    parts = [[row for row in rows if row.part == part][:QUOTA] for part in range(PARTITIONS)]
    return [part for part in parts if part]


def _delete(world: World, service: Service, rows: tuple[Row, ...]) -> Steps:
    part, last = rows[0].part, max(row.id for row in rows)
    ids = [row.id for row in rows]
    if not world.safeguards.delete_own_ids:
        ids = [row.id for row in service.outbox.rows.values() if row.part == part and row.id <= last]
    if not world.safeguards.relay_selects_present_rows:
        service.relayed[part] = max(service.relayed.get(part, 0), last)
    with service.database.begin() as tx:
        for row_id in ids:
            tx.put(service.outbox, row_id, None)
        yield "rows deleted"
        tx.commit()
