"""What the clock and the horizon cause: judging again, expiry, and that nobody is looked at in vain."""

import asyncio

import pytest

from services.alerting.domain import Acknowledge
from services.alerting.use_cases import judging
from shared.messaging.horizon import ceilings
from tests.support.alerting import Alerting, partition_of_party
from tests.support.builders import day, invoice, limit, link, order, party


async def silent(alerting: Alerting, *names: str) -> None:
    """Customers who ordered on three days and never again; it is the day 80."""
    alerting.clock.at = day(3)
    await alerting.take(*[order(f"{name}-{n}", name, n) for name in names for n in range(3)])
    alerting.clock.at = day(80)


class TestByHorizon:
    async def test_a_beat_makes_the_silent_lost(self, alerting: Alerting) -> None:
        await silent(alerting, "C1")
        assert await alerting.warnings() == []
        await alerting.beat(79)
        held = await alerting.only()
        assert (held.code, held.episode.started) == ("churn", day(33).replace(hour=0))

    async def test_silence_is_told_on_the_day_it_is_over_the_line(self, alerting: Alerting) -> None:
        await silent(alerting, "C1")
        await alerting.beat(32)
        assert await alerting.warnings() == []
        await alerting.beat(33)
        assert len(await alerting.warnings()) == 1

    async def test_a_dead_order_feed_makes_nobody_lost(self, alerting: Alerting) -> None:
        """INVARIANT: silence is judged only as far as every source of orders has promised."""
        await silent(alerting, "C1")
        await alerting.beat(20, "order")
        await alerting.beat(79, "payment")
        assert await alerting.warnings() == []

    async def test_a_dead_payment_feed_makes_nobody_overdue(self, alerting: Alerting) -> None:
        """INVARIANT: money is missing only if the source of payments says that all have come. Debt needs no word."""
        alerting.clock.at = day(80)
        await alerting.take(
            limit(amount=10_000), invoice("I1", "C1", 1, 5_000), invoice("I2", "C2", 1, 5_000), limit("L2", "C2")
        )
        await alerting.beat(20, "payment")
        await alerting.beat(79, "order")
        assert await alerting.warnings() == []
        await alerting.take(invoice("I3", "C1", 79, 6_000))
        assert (await alerting.only()).episode.by_absence is False
        await alerting.beat(79, "payment")
        assert len(await alerting.warnings()) == 2

    async def test_a_group_waits_for_the_slowest_partition(self, alerting: Alerting) -> None:
        assert partition_of_party(party("C1")) != partition_of_party(party("C2"))
        await silent(alerting, "C1")
        await alerting.take(link("C1", "C2"))
        await alerting.beat(79, partitions=[partition_of_party(party("C1"))])
        assert await alerting.warnings() == []
        await alerting.beat(79)
        assert len(await alerting.warnings()) == 1

    async def test_a_new_order_ends_it(self, alerting: Alerting) -> None:
        await silent(alerting, "C1")
        await alerting.beat(79)
        await alerting.take(order("C1-9", at=79))
        assert (await alerting.only()).condition == "resolved"

    async def test_pages_are_judged_to_the_last(self, alerting: Alerting, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(judging, "DUE_PAGE", 2)
        await silent(alerting, *[f"C{n}" for n in range(5)])
        await alerting.beat(79)
        assert len(await alerting.warnings()) == 5

    async def test_who_is_stuck_is_not_looked_at_twice(self, alerting: Alerting) -> None:
        """INVARIANT: thousands whom a silent source holds back cost one look for each word of it, not one a minute."""
        await silent(alerting, "C1")
        await alerting.take(link("C1", "C2"))
        await alerting.beat(79, partitions=[partition_of_party(party("C1"))])
        before = _judged()
        await alerting.judge_due()
        assert _judged() == before

    async def test_what_nobody_can_reach_is_not_looked_at(self, alerting: Alerting) -> None:
        await silent(alerting, "C1")
        await alerting.beat(79, source="erp")
        await alerting.beat(10, source="other")
        await alerting.take(*[order(f"C3-{n}", "C3", n) for n in range(3)])
        before = _judged()
        await alerting.beat(20, source="other")
        assert _judged() == before

    async def test_an_order_that_only_moves_the_day_away_leaves_the_row(self, alerting: Alerting) -> None:
        await silent(alerting, "C1")
        before = await alerting.rows("select * from due")
        await alerting.take(order("C1-9", at=9))
        assert await alerting.rows("select * from due") == before
        await alerting.beat(36)
        assert await alerting.warnings() == []
        [row] = await alerting.rows("select settled from due")
        assert row["settled"] > before[0]["settled"]


class TestByClock:
    async def test_a_limit_counts_from_its_day(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.take(limit("L1", amount=10_000), invoice(at=9, amount=9_000), limit("L2", at=20, amount=5_000))
        await alerting.pass_time(19)
        assert await alerting.warnings() == []
        await alerting.pass_time(20)
        assert (await alerting.only()).firing

    async def test_an_acknowledgement_runs_out(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.take(limit(amount=10_000), invoice(at=9, amount=11_000))
        held = await alerting.only()
        await alerting.do(held.id, Acknowledge(actor="u1", until=day(12)))
        await alerting.pass_time(11.9)
        assert (await alerting.only()).handling.state == "acknowledged"
        await alerting.pass_time(12)
        assert (await alerting.only()).handling.state == "new"
        [*_, last] = await alerting.rows("select reason, actor, handling from transition order by revision")
        assert tuple(last) == ("handled", None, "new")


class TestAtOnce:
    async def test_two_consumers_that_touch_one_group(self, alerting: Alerting) -> None:
        """INVARIANT: who judges a group holds all its members; else each consumer judges with half of the documents."""
        alerting.clock.at = day(10)
        await alerting.take(limit("L1", "C1", amount=10_000), link("C1", "C2"))
        for n in range(10):
            await asyncio.gather(
                alerting.take(invoice(f"A{n}", "C1", 1 + n / 10, 600)),
                alerting.take(invoice(f"B{n}", "C2", 1 + n / 10, 600)),
            )
        held = await alerting.only()
        assert held.episode.proof.evidence.numbers["debt"] == "120.00"

    async def test_a_command_and_a_document(self, alerting: Alerting) -> None:
        """INVARIANT: neither the note of a person nor a figure is overwritten by the other."""
        alerting.clock.at = day(10)
        await alerting.take(limit(amount=10_000), invoice("I0", at=1, amount=10_100))
        held = await alerting.only()
        for n in range(1, 6):
            await asyncio.gather(
                alerting.take(invoice(f"I{n}", at=1 + n / 10, amount=100)),
                alerting.do(held.id, Acknowledge(actor="u1", note=f"{n}")),
            )
            after = await alerting.only()
            numbers = after.episode.proof.evidence.numbers
            assert (after.handling.note, numbers["debt"]) == (f"{n}", f"{101 + n}.00")


class TestCeilings:
    async def test_no_source_no_ceiling(self, alerting: Alerting) -> None:
        async with alerting.context.database.unit_of_work() as unit:
            assert await ceilings(unit.connection) == {}

    async def test_the_slowest_source_for_all_bounds_everyone(self, alerting: Alerting) -> None:
        await alerting.beat(5, "order", source="a")
        await alerting.beat(3, "order", source="b")
        await alerting.beat(1, "order", source="c", coverage="named")
        async with alerting.context.database.unit_of_work() as unit:
            assert set((await ceilings(unit.connection)).values()) == {day(3)}

    async def test_without_such_a_source_the_fastest_named_one_does(self, alerting: Alerting) -> None:
        await alerting.beat(2, "order", source="a", coverage="named")
        await alerting.beat(1, "order", source="b", coverage="named")
        async with alerting.context.database.unit_of_work() as unit:
            assert set((await ceilings(unit.connection)).values()) == {day(2)}

    async def test_a_silent_source_for_all_closes_its_kind(self, alerting: Alerting) -> None:
        await alerting.beat(2, "order", source="a")
        await alerting.beat(2, "order", source="b", complete_until=None)
        async with alerting.context.database.unit_of_work() as unit:
            assert await ceilings(unit.connection) == {}


def _judged() -> float:
    return sum(
        sample.value for metric in judging.JUDGED.collect() for sample in metric.samples if "_total" in sample.name
    )
