"""What can be wrong with documents on their way: not sent, not applied, not judged, not confirmed, not promised."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from forewarn.doctor.findings import Finding, Patient
from forewarn.terminal import ago
from services.alerting import repository
from shared.events import TOPICS
from shared.messaging import dead_letters, lag, markers, republication
from shared.messaging.backlog import LATE, OutboxWatch
from shared.messaging.bus import Bounds, TopicPartition

JUDGING: Final = "alerting"
"""The service to which it matters that sources keep their promises."""

MOVES_SECONDS: Final = 2.0
"""A consumer that is behind is looked at twice."""

_RELAYS: Final = """
select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1 and granted
    and (classid::bigint << 32 | objid::bigint) = hashtext('forewarn_relay')::bigint
    and database = (select oid from pg_database where datname = current_database()))
"""

Positions = Mapping[TopicPartition, int]


async def outbox(patient: Patient) -> list[Finding]:
    """What the service has to say reaches the bus, and there is room for more."""
    if not patient.service.publishes:
        return []
    watch, pool = OutboxWatch(patient.context), await patient.context.database.pool()
    async with pool.acquire() as connection:
        found = await watch.look(connection)
        relayed = await connection.fetchval(_RELAYS)
    now, limit = patient.context.clock.now(), patient.context.settings.outbox_limit
    remedy = (
        "its relay runs: look whether the bus takes what it sends, and into its log"
        if relayed
        else f"nobody sends it: start a worker of {patient.service.name}"
    )
    findings = []
    if found.since is not None and now - found.since > LATE:
        problem = f"{found.rows} rows wait in its outbox, the first for {ago(now - found.since)}"
        findings.append(_about(patient, "outbox_old", problem, remedy))
    if found.rows > limit:
        problem = f"its outbox is full ({found.rows} of {limit} rows), it refuses documents"
        findings.append(_about(patient, "outbox_full", problem, remedy))
    elif watch.is_filling(found) and found.rows * 2 > limit:
        problem = f"its outbox has {found.rows} of {limit} rows"
        findings.append(_about(patient, "outbox_filling", problem, remedy))
    return findings


async def restore(patient: Patient) -> list[Finding]:
    """No restore from a backup waits for a decision."""
    if not patient.service.publishes:
        return []
    pool = await patient.context.database.pool()
    async with pool.acquire() as connection:
        if not await republication.unconfirmed(connection):
            return []
    name = patient.service.name
    problem = "its database was restored from a backup; what was lost is not confirmed"
    return [_about(patient, "restore_unconfirmed", problem, f"forewarn restore show {name}, then confirm")]


async def letters(patient: Patient) -> list[Finding]:
    """Everything that came could be applied."""
    if patient.service.subscription is None:
        return []
    pool = await patient.context.database.pool()
    async with pool.acquire() as connection:
        row = await dead_letters.count_open(connection)
    if not row["open"]:
        return []
    age = ago(patient.context.clock.now() - row["oldest"])
    problem = f"{row['open']} dead letters are open, the oldest for {age}; their customers are not judged for absence"
    return [_about(patient, "dead_letters", problem, f"forewarn deadletters list {patient.service.name}")]


async def gate(patient: Patient) -> list[Finding]:
    """Nothing waits for a republication."""
    if patient.service.subscription is None:
        return []
    pool = await patient.context.database.pool()
    async with pool.acquire() as connection:
        producers = await markers.closed(connection)
    return [
        _about(
            patient,
            "gate_closed",
            f"it judges nothing until documents of {producer} have come again, after a rebuild or on a trimmed log",
            f"wait for it, or ask for it: forewarn republish {producer}",
        )
        for producer in producers
    ]


async def sources(patient: Patient) -> list[Finding]:
    """Every source has promised in its rhythm that it is complete."""
    if patient.service.name != JUDGING:
        return []
    now, pool = patient.context.clock.now(), await patient.context.database.pool()
    async with pool.acquire() as connection:
        if await markers.closed(connection):
            return []
        found = await repository.sources(connection)
    return [
        _about(
            patient,
            "source_silent",
            f"{source.source} has not said since {source.late_from:%Y-%m-%d %H:%M} UTC that its {source.kind} "
            f"documents are complete, which keeps closed: {', '.join(source.closes) or 'nothing'}",
            f"mend the feed, or, if it has ended: forewarn sources retire {source.source} {source.kind}",
        )
        for source in found
        if source.late(now)
    ]


async def group(patient: Patient) -> list[Finding]:
    """Somebody consumes."""
    if patient.service.subscription is None or await patient.bus.members(f"forewarn.{patient.service.name}"):
        return []
    return [
        _about(
            patient, "nobody_consumes", "its consumer group has no member", f"start a worker of {patient.service.name}"
        )
    ]


async def lag_of_consumers(patient: Patient) -> list[Finding]:
    """What is in the log has been applied, and the log has what comes next."""
    if patient.service.subscription is None:
        return []
    known, bounds = await _places(patient)
    stopped = sorted(where for where in bounds if lag.is_stopped(where, known, bounds[where]))
    found = [_stopped(stopped, patient)] if stopped else []
    if not await _late(known, bounds, patient):
        return found
    await asyncio.sleep(MOVES_SECONDS)
    now, bounds = await _places(patient)
    if late := await _late(now, bounds, patient):
        found.append(_behind(late, moves=any(now.get(where) != known.get(where) for where in late), patient=patient))
    return found


async def _places(patient: Patient) -> tuple[Positions, Mapping[TopicPartition, Bounds]]:
    assert patient.service.subscription is not None
    topics = [TOPICS[producer] for producer in patient.service.subscription.producers]
    pool = await patient.context.database.pool()
    async with pool.acquire() as connection:
        known = await lag.positions(topics, connection)
    return known, await patient.bus.bounds(topics)


async def _late(
    known: Positions, bounds: Mapping[TopicPartition, Bounds], patient: Patient
) -> dict[TopicPartition, timedelta]:
    """Partitions in which a record is older than what is merely on its way, and how old."""
    late: dict[TopicPartition, timedelta] = {}
    for where, found in bounds.items():
        position, records = lag.unread(where, known, found)
        if records and found.first <= position:
            recorded = await lag.recorded_at(where, position, patient.bus)
            age = patient.context.clock.now() - recorded if recorded else LATE
            if age >= LATE:
                late[where] = age
    return late


def _behind(late: Mapping[TopicPartition, timedelta], *, moves: bool, patient: Patient) -> Finding:
    problem = f"it has not applied records of {len(late)} partitions, the oldest recorded {ago(max(late.values()))} ago"
    if moves:
        return _about(patient, "behind", f"{problem}; it catches up", "wait; more workers are faster")
    return _about(patient, "behind", f"{problem}, and does not move", "its log says what keeps it, or start a worker")


def _stopped(stopped: Sequence[TopicPartition], patient: Patient) -> Finding:
    names = ", ".join(f"{where.topic}/{where.partition}" for where in stopped)
    problem = f"the log does not have what it has to read next in {names}"
    remedy = f"forewarn rebuild {patient.service.name} --from republish"
    return _about(patient, "partition_stopped", problem, remedy)


def _about(patient: Patient, code: str, problem: str, remedy: str) -> Finding:
    return Finding(code, patient.service.name, problem, remedy)


CHECKS: Final = (outbox, restore, letters, gate, sources)
"""For a database that has the tables of this program."""

LOG_CHECKS: Final = (group, lag_of_consumers)
"""Where the bus answers, too."""
