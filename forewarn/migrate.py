"""Brings databases and topics of an installation to what this program expects."""

from collections.abc import Sequence

import structlog

from shared.database.migrations import migrate, pending
from shared.events import PARTITIONS, TOPICS
from shared.runtime.platform import Platform
from shared.runtime.service import Service

log = structlog.get_logger(__name__)


async def migrate_installation(services: Sequence[Service], platform: Platform) -> dict[str, list[str]]:
    """Apply missing revisions, create missing topics; return the revisions applied now, by service.

    Raises `BusError` if a topic is not as it should be.
    """
    applied = {service.name: await migrate(service, _dsn(service, platform)) for service in services}
    for remark in await platform.bus.create_topics(dict.fromkeys(TOPICS.values(), PARTITIONS)):
        log.warning("topics", remark=remark)
    return applied


async def pending_revisions(service: Service, platform: Platform) -> list[str]:
    """Revisions that are still to be applied to the database of a service."""
    return await pending(service, _dsn(service, platform))


def _dsn(service: Service, platform: Platform) -> str:
    return platform.context(service.name).database.dsn
