"""The command `forewarn` as tests start it: with one small service, and without a bus where there is none yet."""

import importlib.util
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType

from sqlalchemy import Column, DateTime, MetaData, Table

from shared.context import Context
from shared.runtime.service import Job, Service

PROGRAM = (sys.executable, "-m", "tests.support.program")

metadata = MetaData()
Table("tick", metadata, Column("at", DateTime(timezone=True), nullable=False))


async def tick(context: Context) -> bool:
    """Prove that the worker works."""
    async with context.database.unit_of_work() as unit:
        await unit.connection.execute("INSERT INTO tick VALUES ($1)", unit.now)
    return False


TICKS = Service(
    name="notify",
    metadata=metadata,
    migrations=Path(__file__).parent / "ticks",
    jobs=(Job("tick", timedelta(milliseconds=50), tick),),
)


def main() -> None:
    """Run the command line with this program's parts in place."""
    _stand_in()
    from forewarn import cli

    vars(cli).update(all_services=lambda: (TICKS,), PROGRAM=PROGRAM)
    cli.main()


def _stand_in() -> None:
    if importlib.util.find_spec("shared.messaging.embedded_bus") is None:
        module = ModuleType("shared.messaging.embedded_bus")
        vars(module).update(EmbeddedBus=_NoBus)
        sys.modules[module.__name__] = module


class _NoBus:
    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:  # noqa: ARG002
        """Nothing to make."""
        return []

    async def close(self) -> None:
        """Nothing to close."""


if __name__ == "__main__":
    main()
