"""The installation that operators' commands look at, running on this machine or named by the environment."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from forewarn.platform import installed_platform
from forewarn.services import all_services
from shared.runtime.logging import configure_logging
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from shared.settings import Settings

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of database, keys and address file. [FOREWARN_DATA_DIR, else .forewarn]")
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for a point at which no event is on its way.")]


class Installation(NamedTuple):
    """The services there are, and what they run on."""

    services: Sequence[Service]
    platform: Platform


@contextlib.asynccontextmanager
async def installation(data_dir: Path | None, services: Sequence[Service] | None = None) -> AsyncIterator[Installation]:
    """Open the databases and the bus of these services (default: all); starts no server. Raises `NotRunning`."""
    chosen = all_services() if services is None else services
    configure_logging(Settings().log_level)
    platform = installed_platform(data_dir, [service.name for service in chosen])
    try:
        yield Installation(chosen, platform)
    finally:
        await platform.close()
