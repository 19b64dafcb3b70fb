"""The metrics this program exports: names and labels, as Prometheus would see them."""

from typing import Final

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from forewarn import cli
from forewarn.services import all_services

LIBRARY: Final = ("python_", "process_")
"""Come with the client library."""


def exported() -> dict[str, tuple[str, ...]]:
    """Labels by the name under which a metric is documented; a histogram by its name without suffix."""
    assert cli.app
    assert all_services()
    # The registry shows only series that exist already.
    collectors = set(REGISTRY._names_to_collectors.values())
    metrics = [one for one in collectors if isinstance(one, MetricWrapperBase)]
    return {
        one._name + ("_total" if isinstance(one, Counter) else ""): tuple(one._labelnames)
        for one in metrics
        if not one._name.startswith(LIBRARY)
    }


def series() -> dict[str, tuple[str, ...]]:
    """Labels by the name of a series: a histogram has three."""
    histograms = {one._name for one in set(REGISTRY._names_to_collectors.values()) if isinstance(one, Histogram)}
    found: dict[str, tuple[str, ...]] = {}
    for name, labels in exported().items():
        if name in histograms:
            found |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": (*labels, "le")}
        else:
            found[name] = labels
    return found
