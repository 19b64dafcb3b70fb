"""A stage as operators' commands see it: the descriptions of its two services, and the platform they run on."""

from pathlib import Path
from typing import Final

from shared.runtime.platform import Platform
from shared.runtime.service import Service, Subscription
from tests.support.stage import CONSUMER, PRODUCER, Stage, hold

ORDERS: Final = Service("orders", PRODUCER, Path(), publishes=("order", "return", "beat"))
CREDIT: Final = Service(
    "credit", CONSUMER, Path(), subscription=Subscription(("orders",), hold, holds=("order", "return"))
)
SERVICES: Final = (ORDERS, CREDIT)


def platform_of(stage: Stage) -> Platform:
    """Whoever closes the stage closes it."""
    return Platform(
        settings=stage.settings,
        clock=stage.clock,
        ids=stage.ids,
        bus=stage.bus,
        databases={"orders": stage.producer.database, "credit": stage.consumer.database},
    )
