"""History and day batches: nothing lost, nothing early, beats that cover exactly what was sent."""

from datetime import date, datetime, timedelta

from forewarn.demo.books import LIVE_DAYS
from forewarn.demo.distributor import simulate
from forewarn.demo.schedule import schedule

TODAY = date(2026, 8, 3)


class TestSchedule:
    def test_history_and_days_are_all_lines_in_their_order(self) -> None:
        lines = list(simulate(1, TODAY).lines())
        found = schedule(lines, TODAY)
        assert [*found.history, *(line for batch in found.days for line in batch.lines)] == lines

    def test_a_batch_for_each_day_up_to_yesterday(self) -> None:
        found = schedule(simulate(1, TODAY).lines(), TODAY)
        assert [batch.day for batch in found.days] == [
            TODAY - timedelta(days=number) for number in range(LIVE_DAYS, 0, -1)
        ]

    def test_beats_cover_what_was_sent_and_nothing_to_come(self) -> None:
        found = schedule(simulate(1, TODAY).lines(), TODAY)
        promised = found.history_until
        assert all(datetime.fromisoformat(line["ts"]) < promised for line in found.history)
        for batch in found.days:
            times = [datetime.fromisoformat(line["ts"]) for line in batch.lines]
            assert all(promised <= at < batch.complete_until for at in times)
            promised = batch.complete_until
