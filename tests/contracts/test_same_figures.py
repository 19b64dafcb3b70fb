"""Credit's figures and the evidence of alerting's warnings agree to the cent, though each computes them in its own way.

Credit reads the set of documents each time, alerting carries its state on fact by fact.
"""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from services.alerting.domain import CreditLimit, explode
from services.alerting.domain.explode import mark_seen
from services.alerting.domain.facts import position
from services.credit.domain.accounts import Account, accounts
from shared.events import Document
from shared.events.days import day_of
from shared.money import to_decimal
from tests.support.builders import day, party
from tests.support.credit import GROUP, documents, moments

RULE = CreditLimit()
MEMBERS = [party(who).id for who in GROUP]


def evidence(found: list[Document], at: float, zone: ZoneInfo) -> dict[str, dict[str, str]]:
    """Numbers that alerting would give of every currency, all sources being complete up to today."""
    facts = [fact for one in found for fact in explode(one, zone) if fact.party in MEMBERS and fact.at <= day(at)]
    state, today = RULE.start(MEMBERS[0]), day_of(day(at), zone).toordinal()
    for fact in sorted(mark_seen(facts), key=position):
        advance(state, fact.day)
        if type(fact.body) in RULE.reads:
            RULE.apply(state, fact)
    advance(state, today)
    days = state.parameters
    for ledger in state.ledgers.values():
        ledger.begin(today, (days.overdue_warning_days, days.overdue_critical_days))
    return {name: RULE.prove(state, name, 0, today).evidence.numbers for name in state.ledgers}


def advance(state: Any, day: int) -> None:
    """Let time pass up to the start of a day."""
    while (due := RULE.next_due(state)) is not None and due <= day:
        RULE.advance(state, due)


def shown(account: Account) -> dict[str, str]:
    """Credit's figures by the names they have in evidence."""
    figures, currency = account.receivables, account.currency
    amounts = {
        "debt": figures.debt,
        "exposure": figures.exposure,
        "open": figures.allocation.open,
        "unapplied": figures.allocation.unapplied,
        "overdue": account.overdue,
        "reserved_invoice_unknown": account.reserved,
    }
    if not account.reserved:
        del amounts["reserved_invoice_unknown"]
    limit = account.limit
    granted = to_decimal(limit.amount, currency) if limit and limit.limit == "amount" else account.granted
    numbers = {name: to_decimal(amount, currency) for name, amount in amounts.items()}
    on = {"overdue_on": figures.on.isoformat()} if account.overdue_days else {}
    return numbers | {"limit": granted, "overdue_days": str(account.overdue_days)} | on


class TestCreditAndAlerting:
    @pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/St_Johns"])
    @settings(max_examples=300, deadline=None)
    @given(documents(), moments)
    def test_say_the_same(self, zone: str, found: list[Document], at: float) -> None:
        """INVARIANT: whoever checks a warning finds its figures in the customer's receivables, limit included."""
        place = ZoneInfo(zone)
        warned = evidence(found, at, place)
        for account in accounts(found, frozenset(MEMBERS), MEMBERS[0], as_of=day(at), zone=place):
            figures = account.receivables
            if account.currency in warned:
                assert warned[account.currency] == shown(account)
            else:
                assert (figures.debt, figures.exposure, figures.allocation.unapplied, account.limit) == (0, 0, 0, None)
