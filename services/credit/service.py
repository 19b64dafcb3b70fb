"""The credit service: what it serves, consumes, publishes and does in time."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from services.credit import consumers, jobs
from services.credit.api import ROUTERS
from services.credit.tables import METADATA
from shared.runtime.service import Job, Service, Subscription

SERVICE: Final = Service(
    name="credit",
    metadata=METADATA,
    migrations=Path(__file__).parent / "migrations",
    routers=ROUTERS,
    publishes=("credit_limit", "invoice", "payment", "beat", "marker"),
    subscription=Subscription(
        ("customer", "orders"), consumers.on_events, holds=consumers.HELD, forget=consumers.forget
    ),
    jobs=(Job("beat", timedelta(minutes=10), jobs.beat),),
)
