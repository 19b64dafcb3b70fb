"""What the services made of a replay is counted once they have caught up; what keeps them from it is said."""

from forewarn.replay.effects import effects_since, positions_of
from tests.support.builders import order
from tests.support.operated import SERVICES, platform_of
from tests.support.stage import Stage


class TestEffects:
    async def test_count_what_each_service_has_taken_in_since(self, stage: Stage) -> None:
        platform = platform_of(stage)
        await stage.pass_on(order("O1"))
        before = await positions_of(SERVICES, platform)
        await stage.pass_on(order("O2"), order("O3", "C2"))
        effects = await effects_since(before, SERVICES, platform, 10)
        assert (effects.events_applied, effects.warnings, effects.unrest) == ({"credit": 2}, {}, None)

    async def test_say_so_if_a_service_has_not_caught_up(self, stage: Stage) -> None:
        platform = platform_of(stage)
        before = await positions_of(SERVICES, platform)
        await stage.accept(order())
        effects = await effects_since(before, SERVICES, platform, 0)
        assert effects.events_applied == {"credit": 0}
        assert effects.unrest

    async def test_a_database_that_went_away_is_said_and_the_summary_stays(self, stage: Stage) -> None:
        """INVARIANT: everything was sent and answered by then; its summary must not be lost over a count."""
        platform = platform_of(stage)
        before = await positions_of(SERVICES, platform)
        await platform.close()
        stage.producer.database.dsn = "postgresql://nobody@127.0.0.1:1/orders"
        effects = await effects_since(before, SERVICES, platform, 0)
        assert effects.events_applied == {}
        assert effects.unrest
