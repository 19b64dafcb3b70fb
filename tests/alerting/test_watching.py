"""Warnings about the installation itself: late sources and letters nobody answers."""

from datetime import datetime

from services.alerting.domain import INSTALLATION, Acknowledge
from shared.messaging import dead_letters
from shared.messaging.bus import Record
from tests.support.alerting import Alerting
from tests.support.builders import day, order


class TestSourceLate:
    async def test_a_dead_order_feed_is_said_aloud(self, alerting: Alerting) -> None:
        """INVARIANT: absence is not judged in silence: who keeps it closed is a warning of its own."""
        await alerting.take(*[order(f"O{n}", at=n) for n in range(3)])
        await alerting.beat(3, "order")
        await alerting.pass_time(80)
        held = await alerting.only()
        assert (held.code, held.root, held.episode.scope) == ("system_source_late", INSTALLATION, "erp/order")
        evidence = held.episode.proof.evidence
        assert (evidence.numbers["keeps_closed"], evidence.numbers["rhythm_hours"]) == ("churn", "24")
        assert evidence.clears == {"command": "forewarn sources retire erp order"}

    async def test_is_said_once(self, alerting: Alerting) -> None:
        await alerting.beat(0, "order")
        await alerting.pass_time(5)
        await alerting.pass_time(6)
        assert len(await alerting.published()) == 1

    async def test_a_beat_resolves_it(self, alerting: Alerting) -> None:
        await alerting.beat(0, "order")
        await alerting.pass_time(5)
        await alerting.beat(4, "order")
        await alerting.run_jobs()
        assert (await alerting.only()).condition == "resolved"

    async def test_late_again_is_a_new_one_after_the_old(self, alerting: Alerting) -> None:
        await alerting.beat(0, "order")
        await alerting.pass_time(5)
        await alerting.beat(4, "order")
        await alerting.pass_time(5.1)
        await alerting.pass_time(9)
        first, second = await alerting.warnings()
        assert (second.condition, second.previous) == ("firing", first.id)

    async def test_a_retired_source_resolves_it(self, alerting: Alerting) -> None:
        await alerting.beat(0, "order")
        await alerting.pass_time(5)
        await alerting.beat(0, "order", retired_at=day(5))
        await alerting.run_jobs()
        assert (await alerting.only()).condition == "resolved"

    async def test_is_handled_like_any_other(self, alerting: Alerting) -> None:
        await alerting.beat(0, "order")
        await alerting.pass_time(5)
        await alerting.do((await alerting.only()).id, Acknowledge(actor="u1"))
        await alerting.run_jobs()
        assert (await alerting.only()).handling.state == "acknowledged"


class TestDeadLetters:
    async def test_a_letter_open_for_long_is_a_warning(self, alerting: Alerting) -> None:
        await bury(alerting, day(1))
        alerting.clock.at = day(1)
        await alerting.run_jobs()
        assert await alerting.warnings() == []
        await alerting.pass_time(2)
        held = await alerting.only()
        assert (held.code, held.episode.proof.evidence.numbers["open"]) == ("system_dead_letters", "1")

    async def test_the_answer_resolves_it(self, alerting: Alerting) -> None:
        await bury(alerting, day(1))
        await alerting.pass_time(2)
        await alerting.rows("update dead_letter set resolved_at = now()")
        await alerting.run_jobs()
        assert (await alerting.only()).condition == "resolved"


async def bury(alerting: Alerting, at: datetime) -> None:
    alerting.clock.at = at
    record = Record("forewarn.orders.v1", 0, 0, b"no id", b"no document", ())
    async with alerting.context.database.unit_of_work() as unit:
        await dead_letters.store(record, ValueError("unreadable"), unit)
