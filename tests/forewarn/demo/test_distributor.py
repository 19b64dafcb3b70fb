"""The demo's promise, checked by plain arithmetic on its lines: stories breach in their time, nobody else does."""

import hashlib
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from forewarn.demo.calendar import is_working
from forewarn.demo.distributor import CUSTOMERS, Distributor, Line, simulate
from forewarn.demo.story import Quiet, Story
from forewarn.demo.writing import encode_line
from tests.forewarn.demo.oracle import Episode, by_customer, episodes

TODAY = date(2026, 8, 3)
LIVE_DAYS = 60
TROUBLED = {"late_once", "silent_once", "above_limit_once", "lost_long_ago"}

CASES = [
    (1, TODAY),
    (1, date(2026, 2, 20)),
    (2, date(2026, 3, 9)),
    (3, date(2026, 4, 12)),
    (4, date(2027, 1, 1)),
    (5, date(2028, 2, 29)),
]
"""Seeds and days: among them days in the new year's pause, just behind it, and with it at either end of the window."""


@pytest.fixture(scope="module")
def distributor() -> Distributor:
    return simulate(1, TODAY)


@pytest.fixture(scope="module")
def lines(distributor: Distributor) -> list[Line]:
    return list(distributor.lines())


def digest(seed: int, today: date) -> str:
    return hashlib.sha256(b"".join(map(encode_line, simulate(seed, today).lines()))).hexdigest()


class TestPromise:
    @pytest.mark.parametrize(("seed", "today"), CASES)
    def test_stories_get_their_one_warning_and_nobody_else_gets_any(self, seed: int, today: date) -> None:
        """INVARIANT: by plain arithmetic each story is one episode of the live window, and all others have none there.

        Otherwise the demo would blame the system for what the demo did.
        """
        distributor = simulate(seed, today)
        live = today - timedelta(days=LIVE_DAYS)
        expected = {story.customer: story.outcome for story in distributor.stories}
        kinds = {customer.external_id: customer.kind for customer in distributor.customers}
        for customer, lines in by_customer(distributor.lines()).items():
            found = episodes(lines, today)
            if outcome := expected.get(customer):
                assert found == [Episode(outcome.code, outcome.tier, outcome.opens, outcome.ends)]
                assert live <= outcome.opens < today
            elif kinds[customer] not in TROUBLED:
                assert found == [], (customer, kinds[customer])
            else:
                assert all(episode.opens < live - timedelta(days=7) for episode in found)
                assert all(episode.ends is not None or kinds[customer] == "lost_long_ago" for episode in found)

    @pytest.mark.parametrize(("seed", "today"), CASES)
    def test_within_the_bounds_of_the_issue(self, seed: int, today: date) -> None:
        distributor = simulate(seed, today)
        lines = list(distributor.lines())
        live = today - timedelta(days=LIVE_DAYS)
        history = [
            episode
            for found in by_customer(lines).values()
            for episode in episodes(found, today)
            if episode.opens < live
        ]
        assert 20_000 < len(lines) <= 30_000
        assert 5 <= len(history) < 25

    def test_both_warnings_and_both_tiers_are_told(self, distributor: Distributor) -> None:
        told = Counter((story.outcome.code, story.outcome.tier) for story in distributor.stories)
        assert set(told) == {(code, tier) for code in ("credit_limit", "churn") for tier in ("warning", "critical")}
        assert {story.outcome.code for story in distributor.stories if story.outcome.ends} == {"credit_limit", "churn"}

    def test_as_many_quiet_customers_as_stories(self, distributor: Distributor) -> None:
        assert len(distributor.quiet) == len(distributor.stories) == 12


class TestDeterminism:
    def test_same_seed_and_day_give_the_same_bytes(self) -> None:
        assert digest(1, TODAY) == digest(1, TODAY)

    def test_another_seed_or_day_gives_others(self) -> None:
        assert len({digest(1, TODAY), digest(2, TODAY), digest(1, TODAY + timedelta(days=1))}) == 3


class TestLines:
    def test_in_order_of_time_and_all_past(self, lines: list[Line]) -> None:
        times = [datetime.fromisoformat(line["ts"]) for line in lines]
        assert all(earlier <= later for earlier, later in pairwise(times))
        assert times[-1].date() < TODAY
        assert times[0].date() >= TODAY - timedelta(days=731)

    def test_nobody_orders_on_a_day_off(self, lines: list[Line]) -> None:
        days = {datetime.fromisoformat(line["ts"]).date() for line in lines if line["type"] == "order.placed"}
        assert all(map(is_working, days))

    def test_numbers_are_unique_and_references_exist(self, lines: list[Line]) -> None:
        orders = [line["order"] for line in lines if line["type"].startswith("order.")]
        invoices = [line["invoice"] for line in lines if line["type"] == "invoice.posted"]
        payments = [line["payment"] for line in lines if line["type"] == "payment.received"]
        for numbers in (orders, invoices, payments):
            assert len(numbers) == len(set(numbers))
        assert {line["order"] for line in lines if line["type"] == "invoice.posted"} <= set(orders)
        named = {line["invoice"] for line in lines if line["type"] == "payment.received" and "invoice" in line}
        assert named <= set(invoices)

    def test_invoices_follow_their_order_within_three_days(self, lines: list[Line]) -> None:
        placed = {line["order"]: datetime.fromisoformat(line["ts"]) for line in lines if line["type"] == "order.placed"}
        for line in lines:
            if line["type"] == "invoice.posted":
                issued = datetime.fromisoformat(line["ts"])
                assert placed[line["order"]] < issued
                assert (issued.date() - placed[line["order"]].date()).days <= 3
                assert (date.fromisoformat(line["due"]) - issued.date()).days in (30, 45, 60)

    def test_amounts_are_exact_and_only_credits_are_negative(self, lines: list[Line]) -> None:
        for line in lines:
            assert isinstance(line["amount"], Decimal)
            assert line["amount"].as_tuple().exponent == -2
            assert (line["amount"] < 0) == (line["type"] == "order.credited")

    def test_a_limit_stands_before_the_first_order(self, distributor: Distributor) -> None:
        without = 0
        for book in distributor.books.values():
            if not book.limits:
                without += 1
                continue
            assert min(one.at for one in book.limits) < min(one.at for one in book.orders)
        assert without == 2


class TestCustomers:
    def test_three_hundred_of_several_kinds(self, distributor: Distributor) -> None:
        kinds = Counter(customer.kind for customer in distributor.customers)
        assert len(distributor.customers) == len(distributor.books) == CUSTOMERS
        assert {"regular", "lumpy", "seasonal", "small", "project", "story", "quiet"} <= set(kinds)

    def test_names_are_unique_and_in_both_languages(self, distributor: Distributor) -> None:
        assert len({customer.name_zh for customer in distributor.customers}) == CUSTOMERS
        assert all(customer.name_en.isascii() for customer in distributor.customers)

    def test_stories_are_told_in_both_languages(self, distributor: Distributor) -> None:
        everyone: list[Story | Quiet] = [*distributor.stories, *distributor.quiet]
        for told in everyone:
            assert told.title_en.isascii()
            assert not told.title_zh.isascii()
            assert told.text
