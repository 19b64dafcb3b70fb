"""The alerting service on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.support.alerting import Alerting, alerting_on


@pytest.fixture
async def alerting(database_dsn: str) -> AsyncIterator[Alerting]:
    async with alerting_on(database_dsn) as running:
        yield running
