"""What has to be so in a story: whenever a horizon moves, everything it covers is there; at the end all is equal."""

from collections import defaultdict
from collections.abc import Sequence, Set
from itertools import combinations
from typing import Any, Final
from uuid import UUID

from shared.events import PARTITIONS
from shared.messaging import facts, horizon
from shared.messaging.horizon import Horizon
from shared.messaging.partitions import partition_of
from tests.shared.messaging.safeguards.truth import ALL, CUSTOMERS, NAMED, Beat
from tests.shared.messaging.safeguards.world import World
from tests.support.builders import START, day, party

PARTIES: Final = [party(name).id for name in CUSTOMERS]
GROUPS: Final = [frozenset(one) for size in (1, 2) for one in combinations(PARTIES, size)]

PART: Final = {one: partition_of(str(one).encode(), PARTITIONS) for one in PARTIES}


class Red(Exception):
    """Something is not as it has to be."""


async def look(world: World) -> None:
    """Raises `Red` if a beat or a horizon has passed documents which are not there."""
    async with world.stage.consumer.database.unit_of_work() as unit:
        horizons = await horizon.load(GROUPS, unit.connection)
        beats = await unit.connection.fetch("select source, part, complete_until from beat")
        rows = await unit.connection.fetch("select revision, data, party, other_party from held_document")
    held: dict[str, int] = {}
    served: set[UUID | None] = set()
    for row in rows:
        source, number = _identity(row["data"])
        held[f"{source}/{number}"] = row["revision"]
        if source == NAMED:
            served |= {row["party"], row["other_party"]}
    open_groups = [group for group in GROUPS if not _is_frozen(horizons[group])]
    for beat in beats:
        concerned = {who for group in open_groups for who in group if len(group) == 1 and PART[who] == beat["part"]}
        _check_passed(world, concerned, _days(beat["complete_until"]), [beat["source"]], held)
    for group in open_groups:
        speaking = [*ALL, NAMED] if group & served else [*ALL]
        _check_passed(world, group, _days(horizons[group].until["order"]), speaking, held)


async def look_at_the_end(world: World) -> None:
    """Raises `Red` if at the quiet point the two sides differ."""
    stage = world.stage
    async with stage.producer.database.unit_of_work() as unit:
        produced = await facts.tally("document", ["order"], unit.connection)
        documents = await unit.connection.fetch("select * from document where kind = 'order'")
    async with stage.consumer.database.unit_of_work() as unit:
        held = await facts.tally("held_document", ["order"], unit.connection)
        turnover = await unit.connection.fetch("select * from turnover where amount <> 0")
        horizons = await horizon.load(GROUPS, unit.connection)
    for row in documents:
        number, document = world.truth.newest[row["key"]]
        if (row["source_revision"], row["amount"]) != (number, document.amount):
            raise Red(f"documents: {row['key']} is not what its source said last")
        if row["revision"] > len(world.truth.versions[row["key"]]):
            raise Red(f"documents: {row['key']} has more revisions than contents")
    if {row["key"] for row in documents} != set(world.truth.newest):
        raise Red("documents: another set than what was answered")
    if held != produced:
        raise Red(f"held: {len(set(held) ^ set(produced))} tallies differ")
    if {row["party"]: row["amount"] for row in turnover} != _turnover(documents):
        raise Red("sums: not those of the documents")
    for group, found in horizons.items():
        if found.until["order"] != day(max(world.days.values())):
            raise Red(f"horizon: {len(group)} customers stand at {found.until['order']}, {found.reasons['order']}")


def _is_frozen(found: Horizon) -> bool:
    return any(reason.code == "dead_letter" for reason in found.reasons["order"])


def _check_passed(
    world: World, group: Set[UUID], until: float | None, speaking: Sequence[str], held: dict[str, int]
) -> None:
    if until is None:
        return
    for source in speaking:
        beat = next((beat for beat in world.truth.beats[source] if beat.until >= until - 1e-6), None)
        if beat is None:
            raise Red(f"false alarm: {source} never promised day {until:.1f}")
        missing = _missing(beat, group, held)
        if missing:
            raise Red(f"false alarm: day {until:.1f} has passed and {missing} is not there")


def _missing(beat: Beat, group: Set[UUID], held: dict[str, int]) -> str | None:
    for key, concerned in beat.covered.items():
        if any(held.get(key, 0) < concerned[who] for who in group & concerned.keys()):
            return key
    return None


def _identity(data: bytes) -> tuple[str, str]:
    source = data.partition(b'"source":"')[2].partition(b'"')[0].decode()
    return source, data.partition(b'"number":"')[2].partition(b'"')[0].decode()


def _turnover(documents: list[Any]) -> dict[UUID, int]:
    sums: dict[UUID, int] = defaultdict(int)
    for row in documents:
        if row["live"]:
            for who in (row["party"], row["other_party"]):
                if who is not None:
                    sums[who] += row["amount"]
    return {who: amount for who, amount in sums.items() if amount}


def _days(instant: Any) -> float | None:
    return None if instant is None else (instant - START).total_seconds() / 86_400
