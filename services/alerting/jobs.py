"""What time and horizons cause in the alerting service: judging who is due, expiries, warnings about the system."""

from services.alerting import use_cases
from shared.context import Context


async def judge_due(context: Context) -> bool:
    """Judge a page of groups whose time has come."""
    async with context.database.unit_of_work() as unit:
        return await use_cases.judge_due(unit, context.settings.zone)


async def anyone_due(context: Context) -> bool:
    """Whether `judge_due` has groups to judge."""
    async with context.database.unit_of_work() as unit:
        return await use_cases.anyone_due(unit, context.settings.zone)


async def expire(context: Context) -> bool:
    """End acknowledgements and accepted risks that have run out."""
    async with context.database.unit_of_work() as unit:
        return await use_cases.expire(unit)


async def watch(context: Context) -> bool:
    """Say which sources are late and that records wait to be looked at, and that it is over."""
    async with context.database.unit_of_work() as unit:
        await use_cases.watch_installation(unit)
    return False
