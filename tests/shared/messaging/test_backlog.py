"""What waits in an outbox, and since when although nothing stores that."""

from datetime import timedelta

from shared.messaging.backlog import LOOKS, History, OutboxWatch, Waiting, waiting
from tests.support.builders import day, order
from tests.support.stage import Stage

MINUTE = timedelta(minutes=1)


async def look(stage: Stage, outbox: OutboxWatch) -> Waiting:
    async with stage.session(stage.producer) as connection:
        return await outbox.look(connection)


class TestWaiting:
    async def test_nothing_waits_in_an_empty_outbox(self, stage: Stage) -> None:
        async with stage.session(stage.producer) as connection:
            assert await waiting(connection) == Waiting(0, None)

    async def test_rows_wait_since_the_first_was_written(self, stage: Stage) -> None:
        await stage.accept(order("O1"))
        stage.clock.at += MINUTE
        await stage.accept(order("O2"))
        async with stage.session(stage.producer) as connection:
            found = await waiting(connection)
        assert (found.rows, found.since) == (len(await stage.outbox()), day(0))


class TestHistory:
    def test_tells_between_which_looks_something_came(self) -> None:
        history = History()
        for at, end in enumerate((5, 5, 5, 8, 8, 9)):
            history.seen(day(at), end)
        assert history.came(6) == (day(2), day(3))
        assert history.came(8) == (day(4), day(5))
        assert history.came(9) == (day(5), None)

    def test_does_not_know_what_was_there_before_the_first_look(self) -> None:
        history = History()
        history.seen(day(0), 5)
        history.seen(day(1), 6)
        assert history.came(4) == (None, None)

    def test_forgets_details_and_not_the_beginning(self) -> None:
        """INVARIANT: who has been waiting for days is remembered as such, within bounded memory."""
        history = History()
        for at in range(3 * LOOKS):
            history.seen(day(at), 10 + at)
        assert len(history._looks) <= LOOKS
        absent, _ = history.came(10)
        assert absent == day(0)


class TestOutboxWatch:
    async def test_a_document_sent_again_waits_since_the_last_look_without_it(self, stage: Stage) -> None:
        [outcome] = await stage.accept(order())
        await stage.relay()
        outbox = OutboxWatch(stage.producer)
        stage.clock.at = day(400)
        assert await look(stage, outbox) == Waiting(0, None)
        stage.clock.at += MINUTE
        async with stage.producer.database.unit_of_work() as unit:
            await stage.store.republish([outcome.stored], unit)
        for _ in range(2):
            stage.clock.at += MINUTE
            assert (await look(stage, outbox)).since == day(400)

    async def test_of_what_waited_before_the_first_look_only_the_document_tells(self, stage: Stage) -> None:
        await stage.accept(order())
        stage.clock.at = day(3)
        outbox = OutboxWatch(stage.producer)
        for _ in range(2):
            assert (await look(stage, outbox)).since == day(0)
