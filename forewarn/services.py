"""The services of this program, in the order in which they are shown and migrated."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Final

from shared.runtime.service import Service

NAMES: Final = ("customer", "orders", "credit", "alerting", "notify")
"""Every service there is or will be; the embedded server has a database and a role for each."""


def all_services() -> tuple[Service, ...]:
    """The descriptions of those that exist."""
    return tuple(_load(name) for name in NAMES if importlib.util.find_spec(f"services.{name}.service"))


def service_called(name: str, services: Sequence[Service]) -> Service:
    """The description of one service; raises `LookupError` that names those there are."""
    for service in services:
        if service.name == name:
            return service
    raise LookupError(f"there is no service {name!r}; there are: {', '.join(service.name for service in services)}")


def _load(name: str) -> Service:
    service: Service = importlib.import_module(f"services.{name}.service").SERVICE
    return service
