"""Every service's migrations make exactly the tables its code declares."""

import pytest

from forewarn.services import all_services
from shared.database.migrations import drift, migrate
from shared.runtime.service import Service


class TestMigrations:
    @pytest.mark.parametrize("service", all_services(), ids=lambda service: service.name)
    async def test_make_the_tables_of_the_code(self, service: Service, database_dsn: str) -> None:
        """INVARIANT: a column only the code knows fails at the first request of a new installation."""
        await migrate(service, database_dsn)
        assert await drift(service, database_dsn) == []
