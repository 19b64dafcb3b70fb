"""Epoch, republication, gate and fence of the real code carry weight: without one of them a story of two lives is red.

| rule | safeguard | shown by |
|---|---|---|
| P4 | the log is compared; everything is sent again | here |
| P4 | identity compared; writers waited for | `test_republication` |
| P4, P6 | contents compared; outbox emptied; one order of locks; confirmation repeated | `test_two_lives` |
| C7 | a gate | here |
| C7 | its beginning; its number | `test_republication` |
| C7 | asked for under locks; nothing judged on two lives mixed | `test_restore`; `test_two_lives` |
| C8 | lost ones retracted, when it is confirmed; the former life dropped; second comings | here |
| C8 | after all partitions | protocol model: it heals itself, too narrow for seeds |
| C8 | letters pass the fence; and are read before it is confirmed | `test_two_lives`; `test_restore` |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from shared.database.unit_of_work import Connection
from shared.events import Event, Marker
from shared.messaging import incarnation, markers, republication
from tests.shared.messaging.safeguards.lives import Lives
from tests.shared.messaging.safeguards.oracle import Red
from tests.support.stage import Databases, Stage

SOUND: Final = range(5)
SEARCHED: Final = range(12)

Record = Callable[[str, object], None]
Patch = tuple[Any, str, Any]


async def _reads_no_log(*_: object) -> Mapping[Any, Any]:
    return {}


async def _sends_no_page(*_: object) -> bool:
    return False


async def _closes_nothing(*_: object, **__: object) -> None:
    """Nobody waits for a republication."""


async def _nothing(*_: object) -> list[Event]:
    return []


async def _all(events: list[Event], found: object, connection: Connection) -> list[Event]:  # noqa: ARG001
    return events


def _hears_everybody(events: Sequence[Event], found: object) -> list[Event]:  # noqa: ARG001
    return [event for event in events if event.kind != Marker.kind]


def _without(name: str, text: str, instead: str = "") -> Patch:
    statement = getattr(markers, name)
    assert text in statement, f"{name} no longer says {text!r}"
    return markers, name, statement.replace(text, instead)


REMOVALS: Final[dict[str, tuple[Patch, ...]]] = {
    "P4 the log is compared": ((incarnation, "_newest_in_log", _reads_no_log),),
    "P4 everything is sent again": ((republication, "_send_page", _sends_no_page),),
    "C7 a gate": ((markers, "close", _closes_nothing),),
    "C8 lost documents are retracted": ((markers, "_lost", _nothing),),
    "C8 not before it is confirmed": (_without("_PRODUCERS", "min(confirmed_epoch)", "min(complete_epoch)"),),
    "C8 the former life is dropped": ((markers, "_current", _hears_everybody),),
    "C8 a second coming replaces the lost one": ((markers, "_replaced", _nothing),),
    "C8 also when it is late": ((markers, "_without_replaced", _all),),
}


async def run(databases: Databases, seed: int, patches: Sequence[Patch] = ()) -> str | None:
    """One story; returns what went wrong, if anything."""
    await databases.clear()
    stage = Stage(databases, consumer_batch=6)
    lives = Lives(stage, seed)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in patches:
            patch.setattr(module, name, value)
        try:
            await lives.run()
        except Red as red:
            return str(red)
        finally:
            await lives.close()
            await stage.close()
    return None


class TestTheProduct:
    @pytest.mark.parametrize("seed", SOUND)
    async def test_every_story_is_green(self, stage_databases: Databases, seed: int) -> None:
        """INVARIANT: nothing disappears, counts twice or is taken for complete; confirmed, both sides are equal."""
        assert await run(stage_databases, seed) is None


class TestWithoutASafeguard:
    @pytest.mark.parametrize("name", REMOVALS)
    async def test_a_story_is_red(self, stage_databases: Databases, name: str, record_property: Record) -> None:
        """INVARIANT: every safeguard is worth something."""
        for seed in SEARCHED:
            wrong = await run(stage_databases, seed, REMOVALS[name])
            if wrong is not None:
                record_property("safeguard", f"{name} | seed {seed} | {wrong}")
                return
        pytest.fail(f"no story of {len(SEARCHED)} noticed")
