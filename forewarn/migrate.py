"""Brings databases and topics of an installation to what this program expects."""

from collections.abc import Sequence

from shared.database.migrations import migrate, pending
from shared.events import PARTITIONS, TOPICS
from shared.runtime.platform import Platform
from shared.runtime.service import Service


async def migrate_installation(services: Sequence[Service], platform: Platform) -> dict[str, list[str]]:
    """Apply missing revisions, create missing topics; return the revisions applied now, by service."""
    applied = {service.name: await migrate(service, _dsn(service, platform)) for service in services}
    await platform.bus.create_topics(dict.fromkeys(TOPICS.values(), PARTITIONS))
    return applied


async def pending_revisions(service: Service, platform: Platform) -> list[str]:
    """Revisions that are still to be applied to the database of a service."""
    return await pending(service, _dsn(service, platform))


def _dsn(service: Service, platform: Platform) -> str:
    return platform.context(service.name).database.dsn
