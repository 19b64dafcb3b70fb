"""A rebuild of what alerting holds: what is kept while documents are incomplete, and that everybody is judged after."""

from typing import Final

from msgspec.structs import replace

from services.alerting.domain import RULES, Due
from services.alerting.repository import dues, states
from services.alerting.repository.dues import DueRow
from services.alerting.use_cases.touch import Touch
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import customers

_ANY_RULE: Final = RULES[0].code
"""Who is due by one rule is judged by all."""


async def remember(touch: Touch, unit: UnitOfWork) -> None:
    """Keep names and the end of imported history; the rest is found in the documents afterwards."""
    parties = touch.names.keys() | touch.seeded.keys()
    held = await states.lock(parties, unit.connection)
    informed = [
        replace(
            state,
            party=touch.names.get(party, state.party),
            seeded_until=max(filter(None, (state.seeded_until, touch.seeded.get(party))), default=None),
        )
        for party, state in held.items()
    ]
    await states.save([one for one in informed if one != held[one.party.id]], unit.connection)


async def judge_everybody(unit: UnitOfWork) -> None:
    """Make every group due now."""
    await customers.lock_shared(unit.connection)
    parties = await states.everybody(unit.connection)
    roots = {group.root for group in (await customers.groups_of(parties, unit.connection)).values()}
    await states.lock(roots, unit.connection)
    rows = [DueRow(root, _ANY_RULE, Due(at=unit.now)) for root in roots]
    await dues.save(rows, await dues.mark(unit.connection), unit.connection)


async def forget_folds(unit: UnitOfWork) -> None:
    """Forget customers, links, checkpoints and dues."""
    await customers.lock_alone(unit.connection)
    await customers.forget(unit.connection)
    await states.forget_folds(unit.connection)
    await dues.forget(unit.connection)
