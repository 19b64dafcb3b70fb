"""A dead letter taken up again: applied as if it had just come. What a letter is, and when it is open, others know."""

from typing import Any

import msgspec

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Conflict
from shared.events import cloudevents
from shared.events.document import Event
from shared.messaging import dead_letters, markers
from shared.messaging.consumer import Completed, Handler


async def replay(
    letter: Any, handler: Handler, unit: UnitOfWork, context: Context, completed: Completed | None = None
) -> None:
    """Apply the event in a letter (a whole row) and mark the letter as answered.

    What a producer lost and somebody has given up does not come back this way either.

    Raises `dead_letter_unreadable`, or what the handler raises; the letter then stays as it is.
    """
    taken = await markers.take([_event_of(letter)], unit.connection)
    await handler(taken.events, unit, context)
    if taken.opened and completed is not None:
        await completed(unit, context)
    await dead_letters.resolve(letter, unit)


def _event_of(letter: Any) -> Event:
    headers = msgspec.msgpack.decode(letter["headers"], type=cloudevents.Headers)
    try:
        return cloudevents.decode(headers, letter["value"], letter["part"])
    except cloudevents.Undecodable as error:
        raise Conflict("dead_letter_unreadable", f"This record is none of our events: {error}.") from None
