"""Watch the installation itself: sources that are late, letters nobody answers. The wall clock counts only here."""

from services.alerting import repository
from services.alerting.domain import INSTALLATION, Change, dead_letters, late_sources, settle
from services.alerting.repository import states, warnings
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import customers, markers
from shared.messaging.dead_letters import count_open


async def watch_installation(unit: UnitOfWork) -> list[Change]:
    """Open, correct and end the warnings about the system; during a rebuild nothing is known of any source."""
    await markers.share(unit.connection)
    await customers.lock_shared(unit.connection)
    if await markers.closed(unit.connection):
        return []
    await states.lock([INSTALLATION.id], unit.connection)
    letters = await count_open(unit.connection)
    troubles = [
        *late_sources(await repository.sources(unit.connection), unit.now),
        *dead_letters(letters["open"], letters["oldest"], unit.now),
    ]
    held = await warnings.firing(INSTALLATION.id, unit.connection)
    previous = await warnings.last_of(INSTALLATION.id, unit.connection)
    changes = settle(troubles, held, previous, unit.now, unit.new_id)
    await warnings.store(changes, unit)
    return changes
