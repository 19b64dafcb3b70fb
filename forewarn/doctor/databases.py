"""What can be wrong with the database of a service: away, of another version, with wrong rights or another time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from forewarn.doctor.findings import Finding, Patient
from shared.database.database import AWAY
from shared.database.migrations import MigrationError, pending

CONNECT_SECONDS: Final = 5.0

CLOCKS_AGREE: Final = timedelta(seconds=2)

_ROLE: Final = """
select rolname as name, rolsuper as superuser,
    array(select datname from pg_database where datname = any($1) and has_database_privilege(oid, 'connect')) as others
from pg_roles where rolname = current_user
"""
_LACKING: Final = """
select wanted, array_agg(name order by name) as names
from unnest($1::text[]) as name cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as wanted
where to_regclass(quote_ident(name)) is not null and not has_table_privilege(quote_ident(name), wanted)
group by wanted order by wanted
"""
_NOW: Final = "select clock_timestamp()"

_REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


async def reachable(patient: Patient) -> list[Finding]:
    """The database answers this role."""
    try:
        connection = await asyncpg.connect(patient.context.database.dsn, timeout=CONNECT_SECONDS)
    except _REFUSED as error:
        return [_about(patient, "database_refuses", f"its database refuses it: {error}", _remedy(patient))]
    except (*AWAY, TimeoutError) as error:
        problem = f"its database cannot be reached: {str(error) or 'no answer'}"
        return [_about(patient, "database_away", problem, _remedy(patient))]
    await connection.close()
    return []


async def migrated(patient: Patient) -> list[Finding]:
    """The tables are those of this program."""
    try:
        missing = await pending(patient.service, patient.context.database.dsn)
    except MigrationError as error:
        remedy = "update this program, or every process that runs an older one"
        return [_about(patient, "database_ahead", str(error), remedy)]
    if not missing:
        return []
    problem = f"its database lacks the revisions {', '.join(missing)}"
    return [_about(patient, "database_behind", problem, "forewarn migrate" if not patient.embedded else "forewarn up")]


async def rights(patient: Patient) -> list[Finding]:
    """The role may do with its tables what the service does, and nothing beyond its database."""
    pool = await patient.context.database.pool()
    others = [_name_in(other.database.dsn) for other in patient.others]
    async with pool.acquire() as connection:
        role = await connection.fetchrow(_ROLE, [name for name in others if name])
        lacking = await connection.fetch(_LACKING, [table.name for table in patient.service.metadata.sorted_tables])
    assert role is not None
    return [*_too_many(patient, role), *_too_few(patient, role["name"], lacking)]


async def clock(patient: Patient) -> list[Finding]:
    """The database's clock and that of this machine agree: ages and horizons compare the two."""
    pool = await patient.context.database.pool()
    before = patient.context.clock.now()
    theirs = await pool.fetchval(_NOW)
    after = patient.context.clock.now()
    off = max(before - theirs, theirs - after)
    if off <= CLOCKS_AGREE:
        return []
    problem = f"its database's clock and this machine's differ by {off.total_seconds():.0f} seconds"
    return [_about(patient, "clocks_differ", problem, "synchronise both (NTP)")]


def _too_many(patient: Patient, role: asyncpg.Record) -> Iterator[Finding]:
    if role["superuser"]:
        problem = f"its role {role['name']} is a superuser"
        yield _about(patient, "role_too_strong", problem, "give it a role that owns its database and nothing else")
    elif role["others"]:
        names = ", ".join(role["others"])
        problem = f"its role {role['name']} may connect to the databases of other services: {names}"
        yield _about(patient, "role_too_strong", problem, f"revoke connect on database {names} from public")


def _too_few(patient: Patient, role: str, lacking: list[asyncpg.Record]) -> Iterator[Finding]:
    for row in lacking:
        problem = f"its role {role} may not {row['wanted']} in {', '.join(row['names'])}"
        yield _about(patient, "role_too_weak", problem, "grant that to the role, or name the role that owns the tables")


def _remedy(patient: Patient) -> str:
    if patient.embedded:
        return "`forewarn up` starts it again within seconds; if not, its log says why"
    return f"start it, or correct FOREWARN_DATABASE_URL_{patient.service.name.upper()}"


def _about(patient: Patient, code: str, problem: str, remedy: str) -> Finding:
    return Finding(code, patient.service.name, problem, remedy)


def _name_in(dsn: str) -> str:
    """The name of a database; empty if the URL leaves it to the role."""
    return urlsplit(dsn).path.lstrip("/")


CHECKS: Final = (migrated, rights, clock)
"""For a database that is reachable."""
