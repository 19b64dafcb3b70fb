"""Each safeguard of the real code carries weight: without it a story goes red, with all of them every one is green.

A seed says who steps when and what goes wrong; races inside PostgreSQL and the bus are as real as they are.
"""

from collections.abc import Callable

import pytest

from tests.shared.messaging.safeguards import oracle
from tests.shared.messaging.safeguards.oracle import Red
from tests.shared.messaging.safeguards.parts import Parts
from tests.shared.messaging.safeguards.removals import REMOVALS, Removal
from tests.shared.messaging.safeguards.world import World
from tests.support.stage import Databases, Stage

SOUND = range(8)
"""Seeds that the product has to bear ..."""
SEARCHED = range(16)
"""... and those in which a missing safeguard must show."""
ACTS = 70

Record = Callable[[str, object], None]


async def run(stage: Stage, seed: int, parts: Parts) -> str | None:
    """One story; returns what went wrong, if anything."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in parts.patches:
            patch.setattr(module, name, value)
        world = World(stage, seed, parts)
        await world.begin()
        try:
            for _ in range(ACTS):
                if await world.act():
                    await oracle.look(world)
            if not await world.end(lambda: oracle.look(world)):
                return "no end: rows, records or letters are left"
            await oracle.look_at_the_end(world)
        except Red as red:
            return str(red)
        finally:
            await world.close()
    return None


@pytest.fixture
def fresh_stage(stage_databases: Databases) -> Callable[[], Stage]:
    """A stage per story, on the same databases."""
    return lambda: Stage(stage_databases, consumer_batch=6)


class TestTheProduct:
    @pytest.mark.parametrize("seed", SOUND)
    async def test_every_story_is_green(
        self, fresh_stage: Callable[[], Stage], stage_databases: Databases, seed: int
    ) -> None:
        """INVARIANT: a horizon passes nothing that is not there, and in the end both sides hold the same."""
        await stage_databases.clear()
        stage = fresh_stage()
        try:
            assert await run(stage, seed, Parts()) is None
        finally:
            await stage.close()


class TestWithoutASafeguard:
    @pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
    async def test_a_story_is_red(
        self,
        fresh_stage: Callable[[], Stage],
        stage_databases: Databases,
        removal: Removal,
        record_property: Record,
    ) -> None:
        """INVARIANT: every safeguard is worth something. Weather that grew too calm breaks it, or a second guard."""
        for seed in SEARCHED:
            await stage_databases.clear()
            stage = fresh_stage()
            try:
                wrong = await run(stage, seed, removal.parts(stage))
            finally:
                await stage.close()
            if wrong is not None:
                record_property("safeguard", f"{removal.name} | seed {seed} | {wrong}")
                return
        pytest.fail(f"no story of {len(SEARCHED)} noticed")
