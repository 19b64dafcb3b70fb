"""Figures of a group: sums of its documents, whatever their order and whoever of the group they name."""

import random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.credit.domain.accounts import Account, accounts
from shared.events import Document, Invoice, Payment
from tests.support.builders import day, invoice, limit, order, party
from tests.support.credit import GROUP, documents, moments

UTC = ZoneInfo("UTC")
ROOT = party(GROUP[0]).id
MEMBERS = frozenset(party(who).id for who in GROUP)


def stand(
    found: list[Document], at: float = 5, root: UUID = ROOT, members: frozenset[UUID] = MEMBERS
) -> dict[str, Account]:
    return {one.currency: one for one in accounts(found, members, root, as_of=day(at), zone=UTC)}


def figures(account: Account) -> tuple[Any, ...]:
    """Everything shown of an account, without saying who it is."""
    allocation, limit = account.receivables.allocation, account.limit
    return (
        account.currency,
        (account.receivables.debt, account.receivables.exposure, allocation.open, allocation.unapplied),
        (account.reserved, account.overdue, account.overdue_days, account.aging()),
        (account.granted, limit and limit.natural_key),
    )


def owed(found: list[Document], currency: str, at: float) -> int:
    """Debt read off the documents one by one, without saying which money went where."""
    now, total = day(at), 0
    for one in found:
        if not one.live or one.at > now or one.sums()[0] != currency:
            continue
        match one:
            case Invoice() if one.payer.id in MEMBERS and (one.cancelled_at is None or one.cancelled_at > now):
                total += one.amount
            case Payment() if one.party.id in MEMBERS and (one.reversed_at is None or one.reversed_at > now):
                total -= one.amount
    return total


class TestDebt:
    @settings(max_examples=300, deadline=None)
    @given(documents(), moments)
    def test_is_what_the_documents_say_one_by_one(self, found: list[Document], at: float) -> None:
        """INVARIANT: no allocation, link or undoing makes or loses money."""
        for currency, account in stand(found, at).items():
            assert account.receivables.debt == owed(found, currency, at)

    def test_of_nobody_is_no_account(self) -> None:
        strangers = [invoice(customer="stranger"), invoice(bill_to=party("stranger"))]
        assert stand([*strangers, invoice(at=9), invoice(live=False), limit(live=False)]) == {}


class TestGroup:
    @settings(max_examples=200, deadline=None)
    @given(documents(), moments)
    def test_is_one_payer(self, found: list[Document], at: float) -> None:
        """INVARIANT: linked customers stand like one who had all their documents; a limit of the root's goes first."""
        as_one = [renamed(one) for one in found if one.kind != "credit_limit"]
        group = stand([one for one in found if one.kind != "credit_limit"], at)
        alone = stand(as_one, at, members=frozenset({ROOT}))
        assert {name: figures(one) for name, one in group.items()} == {
            name: figures(one) for name, one in alone.items()
        }

    @settings(max_examples=200, deadline=None)
    @given(documents(), moments, st.randoms(use_true_random=False))
    def test_stands_the_same_in_whatever_order_documents_come(
        self, found: list[Document], at: float, shuffle: random.Random
    ) -> None:
        """INVARIANT: figures are a function of the set of documents."""
        first = stand(found, at)
        shuffle.shuffle(found)
        assert stand(found, at) == first


class TestAging:
    def test_a_bucket_ends_with_its_last_day(self) -> None:
        bills = [
            invoice(f"I{days}", amount=10**place, due=day(5 - days).date())
            for place, days in enumerate((0, 1, 30, 31, 60, 61, 90, 91))
        ]
        assert stand([*bills])["CNY"].aging() == [1, 110, 11_000, 1_100_000, 10_000_000]

    @settings(max_examples=200, deadline=None)
    @given(documents(), moments)
    def test_buckets_less_what_waits_are_the_debt(self, found: list[Document], at: float) -> None:
        for account in stand(found, at).values():
            sums, waiting = account.aging(), account.receivables.allocation.unapplied
            assert sum(sums) - waiting == account.receivables.debt
            assert sum(sums[1:]) == account.overdue


class TestUsed:
    def test_is_rounded_up_so_that_a_breach_is_above_a_hundred(self) -> None:
        account = stand([limit(amount=10**9), invoice()])["CNY"]
        assert [str(account.used(amount)) for amount in (10**9, 10**9 + 1, 1, 0, -5)] == [
            "100.00",
            "100.01",
            "0.01",
            "0.00",
            "0.00",
        ]

    def test_is_nothing_without_a_limit_to_divide_by(self) -> None:
        for fields in ({"limit": "none"}, {"limit": "unlimited"}, {"amount": 0}):
            assert stand([limit(**fields), invoice()])["CNY"].used(5) is None
        assert stand([invoice()])["CNY"].used(5) is None


class TestGranted:
    def test_says_what_was_decided(self) -> None:
        for kind in ("unlimited", "amount", "none"):
            assert stand([limit(limit=kind)])["CNY"].granted == kind

    def test_a_limit_elsewhere_is_told_from_none_at_all(self) -> None:
        foreign = invoice(currency="EUR")
        assert stand([foreign])["EUR"].granted == "none"
        assert stand([foreign, limit()])["EUR"].granted == "no_rate"
        assert stand([foreign, limit(valid_to=day(2))])["EUR"].granted == "none"


class TestExposure:
    def test_is_debt_and_what_is_ordered_but_not_billed(self) -> None:
        account = stand([invoice(at=2, amount=300, orders=("O1",)), order("O1", amount=200), order("O2", amount=50)])
        assert account["CNY"].receivables.exposure == 350


def renamed(document: Document) -> Document:
    """The same document with every member of the group called by the root's name."""
    root = party(GROUP[0])
    fields = {
        name: root for name in ("party", "bill_to") if getattr(getattr(document, name, None), "id", None) in MEMBERS
    }
    return msgspec.structs.replace(document, **fields)
