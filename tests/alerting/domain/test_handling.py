"""Tests of `services/alerting/domain/handling.py`: what people do, and what runs out."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from services.alerting.domain import (
    Acknowledge,
    Close,
    Command,
    Counter,
    Expire,
    HeldWarning,
    Investigate,
    expires_at,
    handle,
)
from services.alerting.domain.warning import Held
from shared.errors import Conflict, Forbidden, InvalidInput
from tests.alerting.domain.stage import CREDIT, only
from tests.support.builders import day, invoice, limit, party, payment

NOW = day(10)


def warning(amount: int = 1100, paid: int = 0) -> HeldWarning:
    money = [payment(at=2, amount=paid)] if paid else []
    episode = only(CREDIT, limit(amount=1000), invoice(at=1, amount=amount), *money, through=5)
    condition: Held = "firing" if episode.ended is None else "resolved"
    return HeldWarning(
        id=UUID(int=1),
        code="credit_limit",
        root=party(),
        members=(party(),),
        condition=condition,
        episode=episode,
        told=episode.level,
    )


def after(one: HeldWarning, command: Command, now: Any = NOW) -> HeldWarning:
    change = handle(one, command, now)
    assert change is not None
    assert change.reason == "handled"
    return change.warning


def close(**fields: Any) -> Close:
    return Close(**({"actor": "u1", "cause": "habit", "countermeasure": "call", "outcome": "useful"} | fields))


class TestAcknowledge:
    def test_holds_up_to_its_end(self) -> None:
        one = after(warning(), Acknowledge(actor="u1", until=day(12), note="mine"))
        assert (one.handling.state, one.handling.actor, expires_at(one.handling)) == ("acknowledged", "u1", day(12))
        assert handle(one, Expire(), day(11.9)) is None
        assert after(one, Expire(), day(12)).handling.state == "new"

    @pytest.mark.parametrize(("amount", "days"), [(1100, 7), (1300, 2)])
    def test_holds_seven_days_or_two_if_critical(self, amount: int, days: int) -> None:
        one = after(warning(amount), Acknowledge(actor="u1"))
        assert one.handling.acknowledged_until == NOW + timedelta(days=days)

    @pytest.mark.parametrize("until", [day(10), day(9), day(41)])
    def test_must_end_within_thirty_days(self, until: Any) -> None:
        with pytest.raises(InvalidInput):
            handle(warning(), Acknowledge(actor="u1", until=until), NOW)

    def test_is_not_possible_of_what_was_taken_back(self) -> None:
        with pytest.raises(Conflict):
            handle(replace(warning(), condition="retracted"), Acknowledge(actor="u1"), NOW)


class TestProgress:
    def test_goes_forward(self) -> None:
        one = after(after(warning(), Acknowledge(actor="u1")), Investigate(actor="u2"))
        one = after(one, Counter(actor="u2", cause="habit", countermeasure="payment plan"))
        assert (one.handling.state, one.handling.cause) == ("countermeasure", "habit")
        assert expires_at(one.handling) is None

    def test_never_back(self) -> None:
        one = after(warning(), Counter(actor="u2", cause="habit", countermeasure="payment plan"))
        with pytest.raises(Conflict):
            handle(one, Investigate(actor="u1"), NOW)

    def test_a_countermeasure_needs_its_cause(self) -> None:
        with pytest.raises(InvalidInput):
            handle(warning(), Counter(actor="u2", cause=" ", countermeasure="x"), NOW)


class TestClose:
    def test_of_what_is_over_needs_cause_and_countermeasure(self) -> None:
        over = warning(paid=1100)
        assert after(over, close()).handling.state == "closed"
        for missing in ("cause", "countermeasure"):
            with pytest.raises(InvalidInput):
                handle(over, close(**{missing: ""}), NOW)

    def test_of_what_is_true_is_accepted_risk_for_ninety_days_at_most(self) -> None:
        with pytest.raises(Conflict):
            handle(warning(), close(), NOW)
        with pytest.raises(InvalidInput):
            handle(warning(), close(accepted_risk_until=NOW + timedelta(days=90, seconds=1)), NOW)
        one = after(warning(), close(accepted_risk_until=NOW + timedelta(days=90)))
        assert (one.handling.state, expires_at(one.handling)) == ("closed", NOW + timedelta(days=90))

    def test_accepted_risk_runs_out(self) -> None:
        one = after(warning(), close(accepted_risk_until=day(20)))
        assert after(one, Expire(), day(20)).handling.state == "new"

    def test_of_a_critical_one_needs_a_manager(self) -> None:
        over = warning(1300, paid=1300)
        with pytest.raises(Forbidden):
            handle(over, close(), NOW)
        assert after(over, close(manager=True)).handling.state == "closed"

    def test_twice_is_a_conflict(self) -> None:
        with pytest.raises(Conflict):
            handle(after(warning(paid=1100), close()), close(), NOW)

    def test_touches_nothing_but_handling(self) -> None:
        before = warning(paid=1100)
        closed = after(before, close())
        assert (closed.episode, closed.condition, closed.told) == (before.episode, before.condition, before.told)
