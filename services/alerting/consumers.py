"""Events the alerting service takes in: everything rules are about, and who is linked with whom."""

from collections.abc import Sequence

from services.alerting import use_cases
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.database.wakeup import JOBS
from shared.events.document import Event


async def on_events(events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
    """Hold what came and judge whom it touches; who is due by a beat is judged by a job, because they may be many."""
    if await use_cases.take_documents(events, unit, context.settings.zone):
        unit.wake(JOBS)


async def on_completed(unit: UnitOfWork, _: Context) -> None:
    """A rebuild is over: everybody is due."""
    await use_cases.judge_everybody(unit)
    unit.wake(JOBS)


async def forget(unit: UnitOfWork) -> None:
    """Know nobody and have folded nothing. Warnings, and how far absence was judged, are our own and stay."""
    await use_cases.forget_folds(unit)
