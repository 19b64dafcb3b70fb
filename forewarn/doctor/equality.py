"""Whether producers and consumers hold the same documents, which also shows forks; reads everything, so by request."""

from collections.abc import Sequence

from forewarn.doctor.findings import Finding
from forewarn.quiet import read_at_quiet_point
from forewarn.reconcile import compare
from shared.runtime.platform import Platform
from shared.runtime.service import Service

QUIET_SECONDS = 10.0


async def documents(services: Sequence[Service], platform: Platform) -> list[Finding]:
    """Every consumer holds exactly what its producers have."""
    reading = await read_at_quiet_point(services, platform, QUIET_SECONDS, lambda: compare(services, platform))
    if reading.unrest is not None:
        problem = f"there was no quiet point at which to compare documents: {reading.unrest}"
        return [Finding("not_quiet", "documents", problem, "ask again when less is going on")]
    pairs = sorted({(one.pair.consumer, one.pair.producer, one.direction) for one in reading.found.differences})
    return [
        Finding(
            "documents_differ",
            consumer,
            f"it does not hold the documents of {producer} ({direction})",
            "forewarn reconcile shows the days; a dead letter, a fork in the log, or harm: forewarn rebuild "
            + consumer,
        )
        for consumer, producer, direction in pairs
    ]
