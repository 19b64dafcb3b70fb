"""What waits on either side of the bus, shown as gauges."""

from prometheus_client import REGISTRY

from shared.messaging.gauges import LAG, ConsumerGauges, waiting
from tests.shared.messaging.events import WHERE, end_of_log, sent
from tests.support.builders import order
from tests.support.stage import Stage


def lag() -> float | None:
    labels = {"service": "alerting", "topic": WHERE.topic, "partition": str(WHERE.partition)}
    return REGISTRY.get_sample_value("consumer_lag_records", labels)


class TestWaiting:
    async def test_nothing_waits_in_an_empty_outbox(self, stage: Stage) -> None:
        async with stage.session(stage.producer) as connection:
            assert await waiting(connection) == (0, None)

    async def test_rows_wait_since_the_first_was_written(self, stage: Stage) -> None:
        await stage.accept(order("O1"))
        first = stage.clock.at
        stage.clock.at = first.replace(year=2027)
        await stage.accept(order("O2"))
        async with stage.session(stage.producer) as connection:
            assert await waiting(connection) == (len(await stage.outbox()), first)


class TestConsumerGauges:
    async def test_lag_is_what_was_not_applied_yet(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2")
        await ConsumerGauges(stage.consumer, stage.bus, [WHERE.topic]).show({WHERE: 1}, [WHERE])
        assert lag() == await end_of_log(stage) - 1

    async def test_a_partition_of_another_member_is_not_shown(self, stage: Stage) -> None:
        LAG.labels("alerting", WHERE.topic, str(WHERE.partition)).set(5)
        gauges = ConsumerGauges(stage.consumer, stage.bus, [WHERE.topic])
        gauges._shown = {WHERE}
        await gauges.show({WHERE: 1}, [])
        assert lag() is None

    async def test_it_looks_now_and_then_only(self, stage: Stage) -> None:
        gauges = ConsumerGauges(stage.consumer, stage.bus, [WHERE.topic])
        await gauges.show({WHERE: 0}, [WHERE])
        before = lag()
        await sent(stage, "O1")
        await gauges.show({WHERE: 0}, [WHERE])
        assert lag() == before
