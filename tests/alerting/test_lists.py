"""What people ask for: pages of warnings and J."""

from typing import Any

import pytest
from msgspec.structs import replace

from services.alerting import repository
from services.alerting.repository import JudgedDay
from tests.support.alerting import Alerting, partition_of_party
from tests.support.builders import customer, day, invoice, limit, link, order, party


@pytest.fixture
async def debtors(alerting: Alerting) -> Alerting:
    """C0 at `warning`, C1 at `critical`, C2 taken back; each, and C3, may owe 100.00."""
    alerting.clock.at = day(10)
    wrong = invoice("I2", "C2", 9, 15_000)
    await alerting.take(*[limit(f"L{n}", f"C{n}", amount=10_000) for n in range(4)])
    for owed in (invoice("I0", "C0", 9, 10_500), invoice("I1", "C1", 9, 15_000), wrong):
        await alerting.take(owed)
    await alerting.take(replace(wrong, live=False), customer("C0", owner="sales.li"))
    return alerting


async def names(alerting: Alerting, **filters: Any) -> list[str | None]:
    async with alerting.context.database.unit_of_work() as unit:
        found = await repository.page(unit.connection, **({"after": None, "limit": 10} | filters))
    return [one.document.parties()[0].external_id for one in found]


class TestPage:
    async def test_newest_first_without_what_was_taken_back(self, debtors: Alerting) -> None:
        assert await names(debtors) == ["C1", "C0"]
        assert await names(debtors, condition="retracted") == ["C2"]

    async def test_goes_on_below_an_id(self, debtors: Alerting) -> None:
        first, second = await debtors.warnings()
        assert await names(debtors, after=second.id) == ["C0"]
        assert await names(debtors, after=first.id) == []

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"tier": "critical"}, ["C1"]),
            ({"code": "churn"}, []),
            ({"handling": "new"}, ["C1", "C0"]),
            ({"handling": "closed"}, []),
            ({"owner": "sales.li"}, ["C0"]),
            ({"limit": 1}, ["C1"]),
        ],
    )
    async def test_filters(self, debtors: Alerting, filters: dict[str, Any], found: list[str]) -> None:
        assert await names(debtors, **filters) == found

    async def test_finds_whom_a_customer_is_linked_with(self, debtors: Alerting) -> None:
        await debtors.take(link("C0", "C3"))
        (held,) = await debtors.warnings(code="credit_limit", root="C0")
        assert await names(debtors, party=held.members[1].id) == ["C0"]

    async def test_leaves_out_what_waits_for_a_horizon(self, alerting: Alerting) -> None:
        """INVARIANT: a link with somebody whose feed lies behind hides silence; it is not told, not ended, and back."""
        alerting.clock.at = day(80)
        await alerting.take(*[order(f"O{n}", at=n) for n in range(3)])
        await alerting.beat(79, partitions=[partition_of_party(party())])
        held = await alerting.only()
        tie = link("C1", "C2")
        await alerting.take(tie)
        assert await names(alerting) == []
        assert [event.reason for event in await alerting.published()] == ["opened", "corrected"]
        await alerting.take(replace(tie, live=False))
        assert (await names(alerting), (await alerting.only()).id) == (["C1"], held.id)


class TestJudged:
    async def test_every_customer_by_natural_key(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.beat(9, "order")
        await alerting.take(order())
        async with alerting.context.database.unit_of_work() as unit:
            days = [one async for one in repository.judged(unit.connection)]
        assert days == [JudgedDay("erp/C1", "order", day(8).date())]

    async def test_horizon_of_a_group(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.beat(9, "order")
        await alerting.take(order())
        async with alerting.context.database.unit_of_work() as unit:
            horizon, days = await repository.horizon_of(order().party.id, unit.connection)
        assert (horizon.until["order"], horizon.until["payment"]) == (day(9), None)
        assert days == {"order": day(8).date(), "payment": None}
