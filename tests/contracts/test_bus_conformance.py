"""The conformance suite: every bus passes every check."""

from collections.abc import Awaitable, Callable

import pytest

from tests.contracts import checks_fault, checks_group, checks_log
from tests.contracts.bus_harness import BusHarness

Check = Callable[[BusHarness], Awaitable[None]]

CHECKS: tuple[Check, ...] = (*checks_log.CHECKS, *checks_group.CHECKS, *checks_fault.CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_embedded_bus_keeps_it(embedded_harness: BusHarness, check: Check) -> None:
    await check(embedded_harness)


@pytest.mark.kafka
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_kafka_bus_keeps_it(kafka_harness: BusHarness, check: Check) -> None:
    await check(kafka_harness)
