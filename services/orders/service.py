"""The orders service: what it serves, consumes, publishes and does in time."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from services.orders import api, consumers, jobs
from services.orders.tables import METADATA
from shared.messaging import customers
from shared.runtime.service import Job, Service, Subscription

SERVICE: Final = Service(
    name="orders",
    metadata=METADATA,
    migrations=Path(__file__).parent / "migrations",
    routers=(api.orders, api.returns, api.sources),
    publishes=("order", "return", "beat", "marker"),
    subscription=Subscription(("customer",), consumers.on_events, holds=customers.HELD, forget=consumers.forget),
    jobs=(Job("beat", timedelta(minutes=10), jobs.beat),),
)
