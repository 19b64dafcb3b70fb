"""What services say of themselves fits the published language."""

import pytest

from forewarn.services import all_services
from shared.events import PRODUCED_BY
from shared.runtime.service import Service


@pytest.fixture(params=all_services(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    found: Service = request.param
    return found


class TestService:
    def test_publishes_what_the_language_says_it_produces(self, service: Service) -> None:
        produced = {model.kind for model in PRODUCED_BY.get(service.name, ())}
        assert set(service.publishes) == produced

    def test_hears_the_producers_of_what_it_holds(self, service: Service) -> None:
        """INVARIANT: a kind whose topic nobody reads is missing from every figure, and no error says so."""
        if service.subscription is not None:
            for kind in service.subscription.holds:
                makers = {name for name, models in PRODUCED_BY.items() if kind in {model.kind for model in models}}
                assert makers & set(service.subscription.producers), kind
