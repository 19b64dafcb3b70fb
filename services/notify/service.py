"""The notify service: what it serves and consumes."""

from pathlib import Path
from typing import Final

from services.notify import consumers
from services.notify.api import ROUTERS
from services.notify.tables import METADATA
from shared.runtime.service import Service, Subscription

SERVICE: Final = Service(
    name="notify",
    metadata=METADATA,
    migrations=Path(__file__).parent / "migrations",
    routers=ROUTERS,
    subscription=Subscription(
        ("alerting", "customer"),
        consumers.on_events,
        holds=consumers.HELD,
        forget=consumers.forget,
        completed=consumers.on_completed,
    ),
)
