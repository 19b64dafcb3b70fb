"""A finding, whom a check looks at, and what becomes of a check that itself fails: a finding as well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from shared.context import Context
from shared.messaging.bus import Bus
from shared.runtime.service import Service

CHECK_SECONDS: Final = 30.0


class Finding(NamedTuple):
    """One thing that is wrong."""

    code: str
    subject: str
    """The service, or the part of the installation, it is about."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}; {self.remedy} [{self.code}]"


class Patient(NamedTuple):
    """One service, and all there are besides."""

    service: Service
    context: Context
    bus: Bus
    others: tuple[Context, ...]
    embedded: bool


Findings = Iterable[Finding]

Check = Callable[[Patient], Awaitable[Findings]]
"""Looks at one thing; what it raises is a finding."""


async def examine(patient: Patient, checks: Iterable[Check]) -> list[Finding]:
    """All findings of some checks, one after the other."""
    found: list[Finding] = []
    for check in checks:
        found += await tried(check.__name__, patient.service.name, check(patient))
    return found


async def tried(name: str, subject: str, work: Awaitable[Findings]) -> list[Finding]:
    """What a check finds, or that it could not look."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return list(await work)
    except Exception as error:  # noqa: BLE001 - it is said, and the other checks go on
        reason = str(error) or f"no answer within {CHECK_SECONDS:.0f} seconds"
        problem = f"could not look at its {name.replace('_', ' ')} ({type(error).__name__}: {' '.join(reason.split())})"
        return [Finding("check_failed", subject, problem, "mend that first, then ask again")]
