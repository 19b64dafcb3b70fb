"""`forewarn doctor`: looks at everything that can be looked at and says what is wrong; mends nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from forewarn.doctor import brokers, databases, environment, equality, flow, processes
from forewarn.doctor.findings import Finding, Patient, examine, tried
from forewarn.installation import DataDir
from forewarn.services import all_services, service_called
from forewarn.terminal import AsJson, out, print_json
from shared.runtime.logging import configure_logging
from shared.runtime.platform import Platform
from shared.runtime.service import Service


def doctor(
    service: Annotated[list[str] | None, typer.Argument(help="Only these services, and the bus.")] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="Compare documents too, as `forewarn reconcile`; reads all of them.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with an installation and what to do about it; exit code 1 if anything is."""
    there = all_services()
    chosen = [service_called(name, there) for name in service] if service else list(there)
    findings = asyncio.run(_look(chosen, data_dir, documents=documents))
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            out.print(str(finding), markup=False)
        if not findings:
            out.print(f"Nothing is wrong with {', '.join(one.name for one in chosen)} and the bus.")
    if findings:
        raise typer.Exit(1)


async def findings_of(
    services: Sequence[Service], platform: Platform, *, embedded: bool = False, documents: bool = False
) -> list[Finding]:
    """What is wrong with the bus and these services. What cannot be reached is looked at no further."""
    found = await tried("topics", brokers.SUBJECT, brokers.topics(platform.bus))
    bus_answers = not any(one.code in ("bus_away", "bus_refuses", "check_failed") for one in found)
    contexts = [platform.context(service.name) for service in services]
    patients = [
        Patient(service, context, platform.bus, tuple(other for other in contexts if other is not context), embedded)
        for service, context in zip(services, contexts, strict=True)
    ]
    # At once: of five databases that do not answer each would be waited for.
    for findings in await asyncio.gather(*(_of(patient, bus_answers=bus_answers) for patient in patients)):
        found += findings
    sound = bus_answers and not any(one.code.startswith("database_") for one in found)
    if documents and sound:
        found += await tried("documents", "documents", equality.documents(services, platform))
    return found


async def _of(patient: Patient, *, bus_answers: bool) -> list[Finding]:
    found = await examine(patient, [databases.reachable])
    if found:
        return found
    found = await examine(patient, databases.CHECKS)
    if any(one.code in ("database_behind", "database_ahead") for one in found):
        return found
    return [*found, *await examine(patient, [*flow.CHECKS, *(flow.LOG_CHECKS if bus_answers else ())])]


async def _look(services: Sequence[Service], data_dir: Path | None, *, documents: bool) -> list[Finding]:
    # What fails is a finding: lines of the log beside it would say it twice, and nobody could read the output.
    configure_logging("CRITICAL")
    described = environment.described(data_dir, [service.name for service in services])
    found = [*described.findings]
    if described.platform is None:
        return found
    known = [service for service in services if service.name in described.names]
    try:
        if described.address is not None:
            found += await tried("processes", "installation", processes.processes(described.address))
        embedded = described.address is not None
        return found + await findings_of(known, described.platform, embedded=embedded, documents=documents)
    finally:
        await described.platform.close()
