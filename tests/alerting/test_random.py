"""The random test of judging.md section 4 on the real service: any arrival, any batches, two consumers at once.

FOREWARN_STORED_SEEDS = number of seeds, each in two orders of arrival; the report of a failure names the seed.
"""

import os
import random
from typing import Any

import pytest

from services.alerting.use_cases import judging
from tests.alerting.domain.simulation import LENGTH, script
from tests.alerting.domain.world import KINDS, Broken
from tests.alerting.stored_world import StoredWorld
from tests.support import builders as build
from tests.support.alerting import alerting_on

SEEDS = int(os.environ.get("FOREWARN_STORED_SEEDS", "6"))


class TestAnyArrival:
    @pytest.mark.parametrize("seed", range(SEEDS))
    async def test_the_tables_say_what_the_documents_and_the_horizon_say(
        self, seed: int, database_dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: after every batch what is stored equals a fold from scratch, and both orders end alike.

        Facts that were not loaded, a stale checkpoint, a due day that is too late, or two consumers that judge one
        group at once without seeing each other break it.
        """
        monkeypatch.setattr(judging, "SLICE", 1)
        ends = [await _run(seed, shuffled, database_dsn) for shuffled in (False, True)]
        assert ends[0] == ends[1], f"seed {seed}: the orders of arrival end differently"


async def _run(seed: int, shuffled: bool, dsn: str) -> list[tuple[Any, ...]]:
    """Drive a script to its end, with the final horizon everywhere."""
    plan, steps = script(seed, shuffled)
    way = random.Random(seed * 2 + shuffled)
    async with alerting_on(dsn, migrated=shuffled, time_zone=plan.zone.key) as service:
        world = StoredWorld(service, plan.parties, plan.zone, way)
        await world.begin()
        try:
            while steps:
                taken = way.choice([1, 1, 2, 5, 20])
                for at, step in steps[:taken]:
                    world.pass_time(max(world.now, build.day(at)))
                    step(world)
                steps = steps[taken:]
                await world.settle(consumers=way.choice([1, 2]))
            world.pass_time(build.day(LENGTH + 80))
            for kind in KINDS:
                world.beat(kind, build.day(LENGTH + 70).date())
            await world.settle(consumers=1)
            await world.touch_all()
        except Broken as error:
            pytest.fail(f"seed {seed}, shuffled {shuffled}: {error}")
        return world.outcome()
