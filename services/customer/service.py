"""The customer service: what it serves, consumes, publishes and does in time."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from services.customer import api, consumers, jobs
from services.customer.tables import METADATA
from shared.runtime.service import Job, Service, Subscription

SERVICE: Final = Service(
    name="customer",
    metadata=METADATA,
    migrations=Path(__file__).parent / "migrations",
    routers=(api.customers, api.links, api.sources),
    publishes=("customer", "customer_link", "beat", "marker"),
    subscription=Subscription(("orders", "credit"), consumers.on_events),
    jobs=(Job("beat", timedelta(minutes=10), jobs.beat),),
)
