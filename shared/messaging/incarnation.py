"""Which life of its database a producer lives, and the new epoch of one that was restored from an older backup.

A restored producer has forgotten revisions others hold, and would give them away a second time. Recognised by the
server's identity, and by the log: a restore into the same server keeps the identity, but the log knows more than it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from shared.context import Context
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.events import TOPICS, cloudevents
from shared.events.document import Event
from shared.messaging import republication
from shared.messaging.bus import Bounds, Bus, TopicPartition
from shared.messaging.document_store import DocumentStore
from shared.messaging.projection import BadSnapshot, decode

TAIL: Final = 100
"""Records looked at in each partition: the last one is the newest, unless a batch was sent twice."""

_ERA: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Epochs are seconds since then: a clock that no backup turns back; 32 bits last to 2088."""

RESTORED: Final = Counter(
    "producer_restored_total", "Restores of a producer's database that were recognised", ["service"]
)

_KNOWN: Final = """
select epoch, known.system_identifier = server.system_identifier as same_server,
    known.timeline = checkpoint.timeline_id as same_timeline
from incarnation as known, pg_control_system() as server, pg_control_checkpoint() as checkpoint
"""
_FIRST: Final = """
insert into incarnation (one, system_identifier, timeline, epoch)
select true, system_identifier, timeline_id, 1 from pg_control_system(), pg_control_checkpoint()
on conflict (one) do nothing
"""
_BEGIN_AGAIN: Final = """
update incarnation set epoch = $1, system_identifier = server.system_identifier, timeline = checkpoint.timeline_id
from pg_control_system() as server, pg_control_checkpoint() as checkpoint
"""
_VERSIONS: Final = "select id, epoch, revision, data from document where id = any($1)"

log = structlog.get_logger(__name__)


async def recognise(context: Context, bus: Bus) -> bool:
    """Whether the database is older than what this producer has said, before it says anything more.

    If so it has a new epoch now, and everything is about to be republished. Raises `BusError` while the bus is away.
    """
    newest = await _newest_in_log(TOPICS[context.service], bus)
    async with context.database.unit_of_work() as unit:
        known = await unit.connection.fetchrow(_KNOWN)
        if known is not None and await _sign_of_restore(known, newest, unit.connection) is None:
            return False
    async with context.database.unit_of_work() as unit:
        # Waits for every writer, and keeps new ones waiting: their documents would have the old epoch. Taken only for
        # a sign of a restore, or each start of a relay would hold up who is writing.
        await unit.connection.execute("lock table incarnation in access exclusive mode")
        await unit.connection.execute(_FIRST)
        known = await unit.connection.fetchrow(_KNOWN)
        assert known is not None
        reason = await _sign_of_restore(known, newest, unit.connection)
        if reason is not None:
            highest = max([known["epoch"], *(event.epoch for event in newest.values())])
            epoch = await _begin_again(highest, DocumentStore(context.service), unit)
            RESTORED.labels(context.service).inc()
            log.error("restored_from_a_backup", service=context.service, because=reason, epoch=epoch)
    return reason is not None


async def _sign_of_restore(known: Any, newest: Mapping[UUID, Event], connection: Connection) -> str | None:
    if not known["same_server"]:
        return "another server"
    if not known["same_timeline"]:
        return "another timeline"
    # What an earlier life said, and was lost by a restore that is known already, is no sign of another one.
    said = [event for event in newest.values() if event.epoch >= known["epoch"]]
    rows = await connection.fetch(_VERSIONS, [event.id for event in said])
    held = {row["id"]: row for row in rows}
    forgotten = next((event.id for event in said if _is_forgotten(event, held.get(event.id))), None)
    return None if forgotten is None else f"the log knows other things of document {forgotten}"


def _is_forgotten(event: Event, row: Any) -> bool:
    """Who wrote before this look may have given away the very revision that the log has."""
    if row is None or event.version > (row["epoch"], row["revision"]):
        return True
    if event.version < (row["epoch"], row["revision"]) or event.data == row["data"]:
        return False
    try:
        # The same document may have been written by two versions of this program.
        return decode(event.kind, event.data) != decode(event.kind, row["data"])
    except BadSnapshot:
        return False


async def _begin_again(highest: int, store: DocumentStore, unit: UnitOfWork) -> int:
    """What waits in the outbox may be a revision that was given away before: it goes, since everything comes again. In
    front of all that has the new epoch goes the marker that tells consumers there is one."""
    epoch = max(highest + 1, int((unit.now - _ERA).total_seconds()))
    await unit.connection.execute(_BEGIN_AGAIN, epoch)
    await unit.connection.execute("update document set epoch = $1", epoch)
    await unit.connection.execute("delete from outbox")
    name = await republication.request(unit, epoch=epoch, restored=True)
    await republication.begin(name, store, unit)
    return epoch


async def _newest_in_log(topic: str, bus: Bus) -> dict[UUID, Event]:
    """The highest version of each document among the last records of every partition."""
    newest: dict[UUID, Event] = {}
    for where, bounds in (await bus.bounds([topic])).items():
        for event in _events(await _tail(where, bounds, bus)):
            if event.id not in newest or event.version > newest[event.id].version:
                newest[event.id] = event
    return newest


async def _tail(where: TopicPartition, bounds: Bounds, bus: Bus) -> Any:
    start = max(bounds.first, bounds.next - TAIL)
    return await bus.read(where, start, bounds.next - start) if start < bounds.next else []


def _events(records: Iterable[Any]) -> Iterable[Event]:
    for record in records:
        try:
            yield cloudevents.decode(record.headers, record.value, record.partition)
        except cloudevents.Undecodable:
            # A stranger's record says nothing about us; consumers make a dead letter of it.
            continue
