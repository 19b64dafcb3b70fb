"""One's inbox live, as server-sent events: what was missed since the last event seen, then every line as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request
from pydantic import BeforeValidator

from services.notify.api.live import PAGE, Live
from services.notify.domain import inboxes
from services.notify.repository import lines
from services.notify.repository.lines import LAST
from services.notify.schemas import LineEvent, parties_of, show_event
from shared.context import Context
from shared.errors import Unavailable
from shared.http.auth import Principal, is_still_valid, principal
from shared.http.dependencies import context
from shared.http.event_stream import EventStream, position
from shared.http.inputs import digits_only
from shared.messaging.customers import known

Here = Annotated[Context, context("notify")]
Reader = Annotated[Principal, principal()]
LastEventId = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, le=LAST, description="Id of the last line seen: go on behind it."),
    BeforeValidator(digits_only),
]

router = APIRouter(prefix="/v1/inbox", tags=["notify"])
log = structlog.get_logger(__name__)


@router.get("/stream", status_code=200, response_class=EventStream)
async def stream_lines(request: Request, who: Reader, here: Here, last_event_id: LastEventId = None) -> EventStream:
    """Lines of your own inbox and those of your roles as they come: `event: line`, data as in the list.

    Without Last-Event-ID from now on; with it nothing is left out and nothing comes twice.
    """
    async with here.database.unit_of_work() as unit:
        end = await lines.end(unit.connection)
    # An id from before a database was restored may lie ahead: waiting for it would be silence.
    last = end if last_event_id is None else min(last_event_id, end)
    events = _events(_live(request, here), inboxes(who.subject, who.roles), who.subject, here, last)
    return EventStream(events, partial(is_still_valid, request))


async def _events(
    live: Live, own: Collection[str], person: str, here: Context, last: int
) -> AsyncGenerator[bytes, None]:
    yield position(last)
    try:
        behind = True
        while behind:
            # Who has much to catch up does so first: what comes meanwhile would only fill his buffer again.
            async for line in _missed(own, person, here, last):
                last = line.id
                yield line.data
            async with live.subscribe(own) as coming:
                async for line in _missed(own, person, here, last):
                    last = line.id
                    yield line.data
                async for line in coming:
                    if line.id > last:
                        last = line.id
                        yield line.data
            behind = coming.behind
    except Unavailable as error:
        log.warning("stream_ended", code=error.code)


async def _missed(own: Collection[str], person: str, here: Context, last: int) -> AsyncIterator[LineEvent]:
    more = True
    while more:
        async with here.database.unit_of_work() as unit:
            found = await lines.find_after(own, person, unit.connection, after=last, limit=PAGE)
            names = await known(parties_of(found), unit.connection)
        for line in found:
            last = line.id
            yield show_event(line, names)
        more = len(found) == PAGE


def _live(request: Request, here: Context) -> Live:
    """The one of this process, made with its first stream."""
    state = request.app.state
    if not hasattr(state, "inbox_live"):
        state.inbox_live = Live(here)
    live: Live = state.inbox_live
    return live
