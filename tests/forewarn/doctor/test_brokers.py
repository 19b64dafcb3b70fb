"""The bus and its topics."""

import asyncpg

from forewarn.doctor import brokers
from shared.events import PARTITIONS, TOPICS
from shared.messaging.embedded_bus import EmbeddedBus
from tests.support.stage import TOPIC, Stage


class TestTopics:
    async def test_sound_ones(self, stage: Stage) -> None:
        await stage.bus.create_topics(dict.fromkeys(TOPICS.values(), PARTITIONS))
        try:
            assert await brokers.topics(stage.bus) == []
        finally:
            await _execute(stage, f"delete from partition where topic <> (select id from topic where name = '{TOPIC}')")
            await _execute(stage, f"delete from topic where name <> '{TOPIC}'")

    async def test_missing_ones(self, stage: Stage) -> None:
        found = await brokers.topics(stage.bus)
        assert {finding.code for finding in found} == {"topic_missing"}
        assert len(found) == len(TOPICS) - 1

    async def test_one_of_another_shape(self, stage: Stage) -> None:
        await _execute(stage, "update topic set partitions = 3")
        try:
            found = {finding.code: finding for finding in await brokers.topics(stage.bus)}
        finally:
            await _execute(stage, f"update topic set partitions = {PARTITIONS}")
        assert TOPIC in found["topic_differs"].problem
        assert found["topic_differs"].remedy

    async def test_away(self) -> None:
        [found] = await brokers.topics(EmbeddedBus("postgresql://bus:geheim@127.0.0.1:1/bus"))
        assert found.code == "bus_away"
        assert "geheim" not in str(found)


async def _execute(stage: Stage, statement: str) -> None:
    connection = await asyncpg.connect(stage.databases.bus)
    await connection.execute(statement)
    await connection.close()
