"""A client of a small app with one route of each sort."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.shared.http.orders import make_app, token
from tests.shared.messaging.conftest import stage as stage
from tests.shared.messaging.conftest import stage_databases as stage_databases


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Calls the app in this process, as somebody who may everything. An error that gets out of the app is raised."""
    transport = httpx.ASGITransport(app=make_app())
    headers = {"Authorization": f"Bearer {token('anna', 'admin')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as open_client:
        yield open_client
