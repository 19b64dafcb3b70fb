"""Dead letters are tried again one by one: what can be applied now is, what cannot stays and says why."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from forewarn.deadletters import Outcome, letters_of, replay_all, replay_one
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import NotFound
from shared.events.document import Event
from shared.messaging.bus import Message
from shared.runtime.service import Subscription
from tests.support.builders import order
from tests.support.operated import CREDIT
from tests.support.stage import TOPIC, Stage, hold


class Refused(Exception):
    """What a handler under test does not like."""


async def refuse(events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
    await hold(events, unit, context)
    raise Refused("not today")


REFUSING = replace(CREDIT, subscription=Subscription(("orders",), refuse, holds=("order", "return")))


async def refused(stage: Stage, *numbers: str) -> list[tuple[str, int, int]]:
    """Places of letters whose events could not be applied when they came."""
    await stage.pass_on(order("O0"))
    await stage.accept(*(order(number) for number in numbers))
    await stage.relay()
    await stage.consume(refuse)
    return [(letter["topic"], letter["part"], letter["offset"]) for letter in await stage.letters()]


class TestReplayOne:
    async def test_applies_the_event_and_answers_the_letter(self, stage: Stage) -> None:
        [place] = await refused(stage, "O1")
        assert await replay_one(CREDIT, *place, stage.consumer) == Outcome(*place)
        assert (await stage.held()).keys() == {"erp/O0", "erp/O1"}
        assert await stage.letters() == []

    async def test_one_that_fails_again_stays_open_and_leaves_nothing_behind(self, stage: Stage) -> None:
        """INVARIANT: effects and answer are one transaction. Broken, half a document counts and nobody knows."""
        [place] = await refused(stage, "O1")
        outcome = await replay_one(REFUSING, *place, stage.consumer)
        assert (outcome.code, outcome.message) == ("refused", "not today")
        assert (await stage.held()).keys() == {"erp/O0"}
        assert len(await stage.letters()) == 1

    async def test_one_that_is_no_event_says_so(self, stage: Stage) -> None:
        await stage.append(3, Message(None, b"?", ()))
        await stage.consume()
        outcome = await replay_one(CREDIT, TOPIC, 3, 0, stage.consumer)
        assert outcome.code == "dead_letter_unreadable"
        assert len(await stage.letters()) == 1

    async def test_a_place_without_a_letter_is_said(self, stage: Stage) -> None:
        with pytest.raises(NotFound):
            await replay_one(CREDIT, TOPIC, 3, 0, stage.consumer)


class TestReplayAll:
    async def test_one_that_fails_again_stops_no_other(self, stage: Stage) -> None:
        await stage.append(3, Message(None, b"?", ()))
        await stage.consume()
        stage.clock.at = stage.clock.at.replace(hour=12)
        places = await refused(stage, "O1", "O2")
        outcomes = await replay_all(CREDIT, stage.consumer)
        assert [(one.topic, one.partition, one.offset) for one in outcomes] == places
        assert [one.code for one in outcomes] == ["dead_letter_unreadable", None, None]
        assert (await stage.held()).keys() == {"erp/O0", "erp/O1", "erp/O2"}

    async def test_answered_ones_are_left_alone(self, stage: Stage) -> None:
        [place] = await refused(stage, "O1")
        await replay_one(CREDIT, *place, stage.consumer)
        assert await replay_all(REFUSING, stage.consumer) == []


class TestLetters:
    async def test_answered_ones_are_listed_only_if_asked_for(self, stage: Stage) -> None:
        places = await refused(stage, "O1", "O2")
        await replay_one(CREDIT, *places[0], stage.consumer)
        assert [letter["offset"] for letter in (await letters_of(stage.consumer)).letters] == [places[1][2]]
        found = await letters_of(stage.consumer, answered=True)
        assert [letter["offset"] for letter in found.letters] == [place[2] for place in places]
        assert found.open == 1
