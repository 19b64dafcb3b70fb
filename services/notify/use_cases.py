"""What can be done with inboxes: one function per intention, in a unit of work that others commit."""

from collections.abc import Collection, Iterable
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notify import domain
from services.notify.domain import Snapshot
from services.notify.errors import line_not_found
from services.notify.repository import lines, log, seeded
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.events.days import day_of, start_of


async def tell(warnings: Collection[UUID], customers: Collection[UUID], unit: UnitOfWork, zone: ZoneInfo) -> None:
    """Say what there is to say about warnings that changed, and about those of customers whose owner may be another.

    The caller holds `log.lock`.
    """
    affected = set(warnings)
    if customers:
        affected |= await log.find_told_firing(customers, unit.connection)
    if not affected:
        return
    snapshots = await _with_destinations(affected, unit.connection)
    owners = await log.owners_of({one.warning.root.id for one in snapshots.values()}, unit.connection)
    concerned = {id_: domain.concerned(one.warning, owners[one.warning.root.id]) for id_, one in snapshots.items()}
    before = await log.find_log(snapshots, unit.connection)
    said, after = domain.tell(snapshots, before, concerned)
    await log.save_log(before, after, snapshots, unit.connection)
    await lines.write(said, unit.now, unit.connection)
    summed_up = await _sum_up(snapshots.values(), unit, zone)
    if said or summed_up:
        unit.wake(lines.CHANNEL)


async def read_line(id_: int, inboxes: Collection[str], person: str, unit: UnitOfWork) -> None:
    """Somebody has read a line. Raises `line_not_found` for a line that is not in his inboxes."""
    if not await lines.mark_read(id_, inboxes, person, unit.connection):
        raise line_not_found()


async def read_up_to(id_: int, inboxes: Collection[str], person: str, unit: UnitOfWork) -> int:
    """Somebody has read all his lines up to this one; returns how many of them he had not read before."""
    return await lines.mark_read_up_to(id_, inboxes, person, unit.connection)


async def _with_destinations(ids: Collection[UUID], connection: Connection) -> dict[UUID, Snapshot]:
    """The warnings, and those they were joined into, as far as they are held."""
    found: dict[UUID, Snapshot] = {}
    asked: set[UUID] = set()
    wanted = set(ids)
    while wanted:
        asked |= wanted
        found |= await log.find_snapshots(wanted, connection)
        wanted = {domain.destination(id_, found) for id_ in found} - asked
    return found


async def _sum_up(snapshots: Iterable[Snapshot], unit: UnitOfWork, zone: ZoneInfo) -> bool:
    """Count what declared history left open instead of telling it; returns whether there is something new to read."""
    by_seeded: dict[bool, list[Snapshot]] = {True: [], False: []}
    for one in snapshots:
        by_seeded[domain.is_seeded(one.warning)].append(one)
    today = day_of(unit.now, zone)
    if not await seeded.count(by_seeded[True], [one.id for one in by_seeded[False]], today, unit.connection):
        return False
    found = await seeded.counts(today, unit.connection)
    numbers = {"open": str(sum(found.values())), **{code: str(number) for code, number in found.items()}}
    await seeded.replace_summary(start_of(today, zone), numbers, unit.now, unit.connection)
    return True
