"""Sources that fall silent on a running installation, and what is said of that."""

import asyncio

import asyncpg

from shared.database.wakeup import JOBS
from tests.support.installation import Installation
from tests.support.office import Json, Office, awaited


def fall_silent(office: Office, source: str, kind: str) -> Json:
    """A source has not beaten for hours; the warning that says so."""
    asyncio.run(_beaten_hours_ago(office.installation, source))
    scope = f"{source}/{kind}"
    late = awaited(lambda: next((one for one in late_sources(office, "firing") if one["scope"] == scope), None))
    shown = shown_source(office, source, kind)
    assert (shown["late"], shown["rules_kept_closed"]) == (True, [late["evidence"]["numbers"]["keeps_closed"]])
    office.told(office.ops, late, "firing")
    return late


async def _beaten_hours_ago(installation: Installation, source: str) -> None:
    """What the watch over sources would find in some hours, now: only its beats are older."""
    connection = await asyncpg.connect(installation.server.dsn("alerting"))
    try:
        await connection.execute(
            "update beat set recorded_at = recorded_at - interval '2 hours' where source = $1", source
        )
        await connection.execute("select pg_notify($1, '')", JOBS)
    finally:
        await connection.close()


def shown_source(office: Office, source: str, kind: str) -> Json:
    """What operations are shown of a source."""
    found: list[Json] = office.ops.get("/v1/sources")["items"]
    return next(one for one in found if (one["source"], one["kind"]) == (source, kind))


def late_sources(office: Office, condition: str) -> list[Json]:
    return office.manager.items("/v1/warnings", code="system_source_late", condition=condition)


def await_end(office: Office, late: Json) -> Json:
    """The warning about a source, once it is over."""
    return awaited(lambda: next((one for one in late_sources(office, "resolved") if one["id"] == late["id"]), None))


def await_horizon(office: Office, customer: str, kind: str, source: str) -> None:
    """Until it is this source that holds absence back, and people are told so."""
    reason = {"code": "source", "subject": source}
    awaited(lambda: True if office.horizon(customer, kind)["held_back_by"] == [reason] else None)
