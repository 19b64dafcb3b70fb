"""Lines of one's inboxes: listed, and marked as read."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator

from services.notify import use_cases
from services.notify.domain import inboxes
from services.notify.repository import lines
from services.notify.repository.lines import LAST
from services.notify.schemas import LineOut, ReadOut, ReadUpTo, parties_of, show_line
from shared.database.unit_of_work import UnitOfWork
from shared.http.auth import Principal, principal
from shared.http.dependencies import unit_of_work
from shared.http.inputs import body, digits_only
from shared.http.pagination import Cursor, Limit, Page, decode_cursor, page_of
from shared.messaging.customers import known

Unit = Annotated[UnitOfWork, unit_of_work("notify")]
Reader = Annotated[Principal, principal()]
LineId = Annotated[int, Path(ge=1, le=LAST), BeforeValidator(digits_only)]

router = APIRouter(prefix="/v1/inbox", tags=["notify"])


@router.get("")
async def list_lines(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    unread: Annotated[bool, Query(description="Only lines you have not read.")] = False,
) -> Page[LineOut]:
    """Lines of your own inbox and those of your roles, newest first."""
    before = decode_cursor(cursor, int)
    found = await lines.page(
        inboxes(who.subject, who.roles),
        who.subject,
        unit.connection,
        before=before[0] if before else None,
        unread=unread,
        limit=limit + 1,
    )
    names = await known(parties_of(found), unit.connection)
    return page_of(found, limit, key=lambda line: (line.id,), show=lambda line: show_line(line, names))


@router.post("/read")
async def read_lines(wanted: Annotated[ReadUpTo, body(ReadUpTo)], who: Reader, unit: Unit) -> ReadOut:
    """You have read all your lines up to this one. Repeating it changes nothing."""
    marked = await use_cases.read_up_to(wanted.up_to, inboxes(who.subject, who.roles), who.subject, unit)
    return ReadOut(marked=marked)


@router.post("/{id}/read", status_code=204)
async def read_line(id: LineId, who: Reader, unit: Unit) -> None:  # noqa: A002
    """You have read this line; others who read the same inbox have not. Repeating it changes nothing."""
    await use_cases.read_line(id, inboxes(who.subject, who.roles), who.subject, unit)
