"""What the services made of a replay: how many events each has taken in, and the warnings there are then.

Read from the databases of the installation, which only its own machine or environment can reach.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forewarn.quiet import read_at_quiet_point
from forewarn.warnings_hash import count_of, warnings_of
from shared.database.database import AWAY
from shared.errors import ForewarnError
from shared.messaging.bus import BusError
from shared.runtime.platform import Platform
from shared.runtime.service import Service

Positions = Mapping[str, int]
"""Per consuming service the records of all its partitions that it has passed."""

Warned = Mapping[str, Mapping[str, int]]
"""Number of warnings per rule and tier."""


@dataclass(frozen=True, slots=True)
class Effects:
    """`unrest`: why these are not the final figures; None, if everything was taken in."""

    events_applied: Mapping[str, int]
    """Per service, since the replay began."""
    warnings: Warned
    """All that are there now."""
    unrest: str | None


async def positions_of(services: Sequence[Service], platform: Platform) -> Positions:
    """How far each service is."""
    found: dict[str, int] = {}
    for service in services:
        if service.subscription is not None:
            async with platform.context(service.name).database.unit_of_work() as unit:
                found[service.name] = await unit.connection.fetchval("select coalesce(sum(next_offset), 0) from cursor")
    return {name: int(position) for name, position in found.items()}


async def effects_since(before: Positions, services: Sequence[Service], platform: Platform, wait: float) -> Effects:
    """Wait until the services have caught up, and count. What keeps them from it is said, never raised."""

    async def count() -> tuple[Positions, Warned]:
        return await positions_of(services, platform), count_of(await warnings_of(services, platform))

    try:
        (after, warnings), unrest = await read_at_quiet_point(services, platform, wait, count)
    except (BusError, ForewarnError, *AWAY) as error:
        return Effects({}, {}, f"the databases cannot be read: {error}")
    return Effects({name: after[name] - before.get(name, 0) for name in after}, warnings, unrest)
