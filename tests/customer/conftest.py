"""The customer service on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from services.customer.service import SERVICE
from tests.support.service import Served, served


@pytest.fixture
async def customers(database_dsn: str) -> AsyncIterator[Served]:
    async with served(SERVICE, database_dsn) as running:
        yield running
