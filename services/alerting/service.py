"""The alerting service: what it serves, consumes, publishes and does in time."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from services.alerting import api, consumers, jobs
from services.alerting.tables import METADATA
from services.alerting.use_cases import HELD
from shared.runtime.service import Job, Service, Subscription

SERVICE: Final = Service(
    name="alerting",
    metadata=METADATA,
    migrations=Path(__file__).parent / "migrations",
    routers=(api.warnings, api.horizons, api.sources),
    publishes=("warning", "marker"),
    subscription=Subscription(
        ("customer", "orders", "credit"),
        consumers.on_events,
        holds=HELD,
        forget=consumers.forget,
        completed=consumers.on_completed,
    ),
    jobs=(
        Job("judge_due", timedelta(minutes=1), jobs.judge_due, waiting=jobs.anyone_due),
        Job("expire", timedelta(minutes=1), jobs.expire),
        Job("watch", timedelta(minutes=1), jobs.watch),
    ),
)
