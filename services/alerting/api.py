"""Routes of warnings and their handling, of horizons and sources: parse, one use case, show."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.alerting import repository, use_cases
from services.alerting.domain import Acknowledge, Close, Command, Counter, Investigate
from services.alerting.repository import documents
from services.alerting.schemas import (
    AcknowledgeIn,
    CloseIn,
    CounterIn,
    HorizonOut,
    InvestigateIn,
    SourcesOut,
    TransitionOut,
    WarningOut,
    show_horizon,
    show_source,
    show_transition,
    show_warning,
)
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import NotFound
from shared.events.alerting import HandlingState, Tier
from shared.http.auth import Principal, principal, requires, visible_to
from shared.http.dependencies import context, unit_of_work
from shared.http.documents import names_of, visible_document
from shared.http.etags import IfMatch, etag, if_match
from shared.http.inputs import Code, Id, body
from shared.http.pagination import Cursor, Limit, Page, decode_cursor, page_of
from shared.messaging import customers
from shared.messaging.document_store import Stored

Unit = Annotated[UnitOfWork, unit_of_work("alerting")]
Here = Annotated[Context, context("alerting")]
Reader = Annotated[Principal, principal()]
Handler = Annotated[Principal, requires("admin", "manager", "sales", "credit", "finance", "service_desk")]

warnings = APIRouter(prefix="/v1/warnings", tags=["alerting"])
horizons = APIRouter(prefix="/v1/customers", tags=["alerting"])
sources = APIRouter(prefix="/v1/sources", tags=["alerting"])


@warnings.get("")
async def list_warnings(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only about this customer, or whom he is linked with.")] = None,
    code: Annotated[Code | None, Query(description="Only of this rule.")] = None,
    condition: Annotated[Literal["firing", "resolved", "retracted"] | None, Query()] = None,
    tier: Annotated[Tier | None, Query()] = None,
    handling: Annotated[HandlingState | None, Query()] = None,
) -> Page[WarningOut]:
    """Warnings, latest first; those that were taken back only if asked for."""
    after = decode_cursor(cursor, UUID)
    found = await repository.page(
        unit.connection,
        after=after[0] if after else None,
        limit=limit + 1,
        owner=visible_to(who).owner,
        party=customer,
        code=code,
        condition=condition,
        tier=tier,
        handling=handling,
    )
    known = await names_of([stored.document for stored in found], unit.connection)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_warning(stored, known))


@warnings.get("/{id}")
async def get_warning(id: Id, who: Reader, unit: Unit, response: Response) -> WarningOut:  # noqa: A002
    """One warning with everything that proves it."""
    return await _show(await _visible(id, who, unit), unit, response)


@warnings.get("/{id}/timeline")
async def get_timeline(id: Id, who: Reader, unit: Unit) -> list[TransitionOut]:  # noqa: A002
    """What was said of it and done about it, oldest first."""
    stored = await _visible(id, who, unit)
    return [show_transition(row) for row in await repository.transitions(stored.id, unit.connection)]


@warnings.post("/{id}/acknowledge")
async def acknowledge_warning(
    id: Id,  # noqa: A002
    request: Request,
    wanted: Annotated[AcknowledgeIn, body(AcknowledgeIn)],
    who: Handler,
    unit: Unit,
    response: Response,
) -> WarningOut:
    """Say that you have seen it and take it on."""
    command = Acknowledge(actor=who.subject, until=wanted.until, note=wanted.note)
    return await _handle(id, command, request, who, unit, response)


@warnings.post("/{id}/investigate")
async def investigate_warning(
    id: Id,  # noqa: A002
    request: Request,
    wanted: Annotated[InvestigateIn, body(InvestigateIn)],
    who: Handler,
    unit: Unit,
    response: Response,
) -> WarningOut:
    """Say that the cause is being looked for."""
    return await _handle(id, Investigate(actor=who.subject, note=wanted.note), request, who, unit, response)


@warnings.post("/{id}/counter")
async def counter_warning(
    id: Id,  # noqa: A002
    request: Request,
    wanted: Annotated[CounterIn, body(CounterIn)],
    who: Handler,
    unit: Unit,
    response: Response,
) -> WarningOut:
    """Name the cause and what is done about it."""
    command = Counter(actor=who.subject, cause=wanted.cause, countermeasure=wanted.countermeasure, note=wanted.note)
    return await _handle(id, command, request, who, unit, response)


@warnings.post("/{id}/close")
async def close_warning(
    id: Id,  # noqa: A002
    request: Request,
    wanted: Annotated[CloseIn, body(CloseIn)],
    who: Handler,
    unit: Unit,
    response: Response,
) -> WarningOut:
    """Close it with cause, countermeasure and outcome."""
    command = Close(
        actor=who.subject,
        cause=wanted.cause,
        countermeasure=wanted.countermeasure,
        outcome=wanted.outcome,
        manager=bool(who.roles & {"manager", "admin"}),
        accepted_risk_until=wanted.accepted_risk_until,
        note=wanted.note,
    )
    return await _handle(id, command, request, who, unit, response)


@horizons.get("/{id}/horizon")
async def get_horizon(id: Id, who: Reader, unit: Unit) -> list[HorizonOut]:  # noqa: A002
    """Up to when absence may be judged for a customer, what keeps it from going on, and how far it was judged."""
    owner = visible_to(who).owner
    if owner is not None and not await customers.sees(owner, [id], unit.connection):
        raise NotFound("customer_not_found", "There is no such customer.")
    return show_horizon(*await repository.horizon_of(id, unit.connection))


@sources.get("")
async def list_sources(
    _: Annotated[Principal, requires("admin", "ops", "manager", "erp")], unit: Unit, here: Here
) -> SourcesOut:
    """Every source and kind: up to when it is complete, whether it is late, and which rules that keeps closed."""
    rows = await repository.sources(unit.connection)
    return SourcesOut(items=[show_source(row, here.clock.now()) for row in rows])


async def _handle(
    id_: UUID, command: Command, request: Request, who: Principal, unit: UnitOfWork, response: Response
) -> WarningOut:
    """Commands may name the revision they were decided on; without If-Match they apply to what is there."""
    await _visible(id_, who, unit)
    seen = if_match(request) if "if-match" in request.headers else IfMatch(None)

    def check(held: Stored) -> None:
        seen.check(held.epoch, held.revision)

    return await _show(await use_cases.handle_warning(id_, command, unit, check), unit, response)


async def _visible(id_: UUID, who: Principal, unit: UnitOfWork) -> Stored:
    stored = await documents.get("warning", id_, unit.connection)
    return await visible_document(stored, visible_to(who), unit.connection)


async def _show(stored: Stored, unit: UnitOfWork, response: Response) -> WarningOut:
    known = await names_of([stored.document], unit.connection)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_warning(stored, known)
