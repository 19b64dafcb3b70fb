"""What the notify service reads and shows: lines of an inbox, each with its sentence, and what was read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from services.notify.domain import Told
from services.notify.repository.lines import LAST, InboxLine
from shared.events.alerting import Tier
from shared.events.wording import Sentence, statement
from shared.http.documents import CustomerRef, customer_ref
from shared.http.event_stream import event
from shared.http.inputs import Input
from shared.messaging.customers import Known


class ReadUpTo(Input):
    """Everything up to this line has been read."""

    up_to: Annotated[int, Field(ge=1, le=LAST)]


class TextOut(BaseModel):
    """The same sentence in both languages."""

    en: str
    zh: str


class LineOut(BaseModel):
    """One thing said to one inbox, with the figures as they were then.

    A summary of imported history has no warning; the one of the same `started_at` before it is void.
    """

    id: int
    recipient: str
    told: Told
    pushed: bool
    at: datetime
    warning: UUID | None
    code: str | None
    tier: Tier | None
    customer: CustomerRef | None
    scope: str | None
    started_at: datetime
    numbers: dict[str, str]
    text: TextOut
    read: bool


class ReadOut(BaseModel):
    """How many lines that were unread are read now."""

    marked: int


def show_line(line: InboxLine, known: Mapping[UUID, Known]) -> LineOut:
    """The line with the name of its customer as it is today."""
    customer = None if line.party is None or _is_system(line) else customer_ref(line.party, known)
    said = _sentence(line, _name(customer))
    return LineOut(
        id=line.id,
        recipient=line.recipient,
        told=line.told,
        pushed=line.pushed,
        at=line.at,
        warning=line.warning,
        code=line.code,
        tier=line.tier,
        customer=customer,
        scope=line.scope,
        started_at=line.started_at,
        numbers=line.numbers,
        text=TextOut(en=said.en, zh=said.zh),
        read=line.read,
    )


class LineEvent(NamedTuple):
    """A line as streams send it."""

    id: int
    data: bytes


def show_event(line: InboxLine, known: Mapping[UUID, Known]) -> LineEvent:
    """The same line as an event, its data the same JSON as in a list."""
    return LineEvent(line.id, event("line", line.id, show_line(line, known).model_dump_json().encode()))


def parties_of(lines: list[InboxLine]) -> set[UUID]:
    """Everyone the lines are about."""
    return {line.party.id for line in lines if line.party is not None}


def _is_system(line: InboxLine) -> bool:
    """It is about the installation, although every warning names a customer."""
    return line.code is not None and line.code.startswith("system_")


def _name(customer: CustomerRef | None) -> str:
    if customer is None:
        return ""
    return customer.company_name or customer.external_id or str(customer.id)


def _sentence(line: InboxLine, name: str) -> Sentence:
    if line.code is None:
        return _summary(line.numbers)
    taken_back = line.told == "taken_back"
    return statement(line.code, name, line.scope or "", line.numbers, end=line.end_reason, taken_back=taken_back)


def _summary(numbers: Mapping[str, str]) -> Sentence:
    figures = ", ".join(f"{code} {number}" for code, number in numbers.items() if code != "open")
    return Sentence(
        f"Imported history left {numbers['open']} warnings open ({figures}); none of them was pushed.",
        f"导入的历史数据留下{numbers['open']}条未结预警（{figures}），均未推送。",
    )
