"""Take a batch of events in: hold the documents, know customers and links, judge whom they touch."""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from services.alerting.repository import states
from services.alerting.use_cases.judging import judge_customers
from services.alerting.use_cases.rebuilding import remember
from services.alerting.use_cases.touch import named_in, touch_of
from shared.database.unit_of_work import UnitOfWork
from shared.events import Beat
from shared.events.document import Event
from shared.messaging import customers, markers, projection

HELD: Final = (*customers.HELD, "order", "return", "invoice", "payment", "credit_limit")
"""Kinds that are held. No rule reads returns yet; held from the start, a later rule finds them."""

_TAKEN: Final = frozenset({*HELD, Beat.kind})


async def take_documents(events: Sequence[Event], unit: UnitOfWork, zone: ZoneInfo) -> bool:
    """Take events in, of any kinds; returns whether beats among them may have moved a horizon.

    During a rebuild nothing is judged: on half of the documents warnings would end that are true.
    """
    await customers.lock(events, unit.connection)
    taken = [event for event in events if event.kind in _TAKEN]
    changes = await projection.apply(taken, unit.connection)
    regrouped = await customers.apply(changes, unit.connection)
    touch = touch_of(changes, regrouped, zone)
    named = named_in(changes)
    if named:
        touch.since.update(dict.fromkeys(await states.nameless(named - touch.since.keys(), unit.connection)))
    if await markers.closed(unit.connection):
        await remember(touch, unit)
    else:
        await judge_customers(touch, unit, zone)
    return any(event.kind == Beat.kind for event in events)
