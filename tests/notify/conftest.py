"""The notify service on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from services.notify.service import SERVICE
from tests.support.service import Served, served


@pytest.fixture
async def notify(database_dsn: str) -> AsyncIterator[Served]:
    async with served(SERVICE, database_dsn, time_zone="Asia/Shanghai") as running:
        yield running
