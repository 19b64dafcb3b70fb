"""What a running service has at hand: its database, the installation's settings, clock, outbox wake-ups."""

from dataclasses import dataclass

from shared.clock import Clock
from shared.database.database import Database
from shared.ids import Ids
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to handlers, jobs and routes; made by the platform, the same in every mode."""

    service: str
    database: Database
    settings: Settings
    clock: Clock
    ids: Ids
