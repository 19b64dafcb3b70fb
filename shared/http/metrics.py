"""What this process measures of its HTTP: durations by route and status, and how late its event loop is."""

import asyncio
from typing import Final, NoReturn

from prometheus_client import Histogram

SAMPLE_SECONDS: Final = 0.25

_DURATION: Final = Histogram(
    "http_request_duration_seconds",
    "Time from a request's headers to the end of its answer.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_LOOP_LAG: Final = Histogram(
    "loop_lag_seconds",
    "How late the event loop wakes who slept: what runs too long in one piece delays everyone.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)

_children: Final[dict[tuple[str, str, int], Histogram]] = {}
"""Histograms by label: looking one up with `labels` costs as much as three observations."""


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    key = (method, route, status)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _DURATION.labels(*map(str, key))
    child.observe(seconds)


async def watch_loop() -> NoReturn:
    """Measure the lag of the running loop for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        _LOOP_LAG.observe(max(0.0, loop.time() - due))
