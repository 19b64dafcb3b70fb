"""Routes of orders and returns: parse, one use case, show. Who may what stands at each route."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.orders import use_cases
from services.orders.repository import documents
from services.orders.schemas import (
    Cancellation,
    OrderChange,
    OrderIn,
    OrderOut,
    ReturnIn,
    ReturnOut,
    order_draft,
    return_draft,
    show_order,
    show_return,
)
from shared.database.unit_of_work import UnitOfWork
from shared.events import Order, Return
from shared.http.auth import Principal, principal, requires, visible_to
from shared.http.dependencies import unit_of_work
from shared.http.documents import (
    Backfill,
    BulkReceipt,
    DocumentKey,
    DryRun,
    Intake,
    Receipt,
    names_of,
    visible_document,
)
from shared.http.etags import etag, if_match
from shared.http.inputs import Id, body, reads
from shared.http.pagination import Cursor, Limit, Page, decode_cursor, page_of
from shared.http.sources import sources_router
from shared.messaging.customers import Known
from shared.messaging.document_store import Stored

Unit = Annotated[UnitOfWork, unit_of_work("orders")]
Reader = Annotated[Principal, principal()]
Sender = Annotated[Principal, requires("erp", "admin")]
Clerk = Annotated[Principal, requires("admin", "manager", "service_desk")]

ORDERS: Final = Intake("orders", OrderIn, use_cases.accept_documents, order_draft, "placed_at")
RETURNS: Final = Intake("orders", ReturnIn, use_cases.accept_documents, return_draft, "returned_at")

orders = APIRouter(prefix="/v1/orders", tags=["orders"])
returns = APIRouter(prefix="/v1/returns", tags=["orders"])
sources = sources_router("orders", documents, "order")


@orders.post("", status_code=201, response_model=Receipt)
@reads(OrderIn)
async def place_order(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take one order. Sent again it is a duplicate; with a higher source_revision it amends."""
    return await ORDERS.one(request, backfill=backfill, dry_run=dry_run)


@orders.post("/bulk", response_model=BulkReceipt)
@reads(OrderIn, bulk=True)
async def place_orders(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take up to 10,000 orders; one answer per row."""
    return await ORDERS.many(request, backfill=backfill, dry_run=dry_run)


@orders.get("")
async def list_orders(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only this customer's, as buyer or payer.")] = None,
    key: DocumentKey = None,
) -> Page[OrderOut]:
    """Orders, latest accepted first."""
    found, known = await _page(Order.kind, who, unit, limit, cursor, customer, key)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_order(stored, known))


@orders.get("/{id}")
async def get_order(id: Id, who: Reader, unit: Unit, response: Response) -> OrderOut:  # noqa: A002
    """One order."""
    stored = await _visible(Order.kind, id, who, unit)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_order(stored, await names_of([stored.document], unit.connection))


@orders.patch("/{id}")
async def amend_order(
    id: Id,  # noqa: A002
    request: Request,
    change: Annotated[OrderChange, body(OrderChange)],
    _: Clerk,
    unit: Unit,
    response: Response,
) -> OrderOut:
    """Amend an order by hand; If-Match names the revision that is changed."""
    seen = if_match(request)
    stored = await use_cases.amend_order(id, unit, lambda held: seen.check(held.epoch, held.revision), change.amended)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_order(stored, await names_of([stored.document], unit.connection))


@orders.post("/{id}/cancel")
async def cancel_order(
    id: Id,  # noqa: A002
    wanted: Annotated[Cancellation, body(Cancellation)],
    _: Clerk,
    unit: Unit,
) -> OrderOut:
    """Cancel an order; it is no order day any more. Repeating it changes nothing."""
    stored = await use_cases.cancel_order(id, wanted.cancelled_at or unit.now, unit)
    return show_order(stored, await names_of([stored.document], unit.connection))


@orders.post("/{id}/retract")
async def retract_order(id: Id, _: Clerk, unit: Unit) -> OrderOut:  # noqa: A002
    """Take back an order that never was one: a booking mistake."""
    stored = await use_cases.retract(Order.kind, id, unit)
    return show_order(stored, await names_of([stored.document], unit.connection))


@returns.post("", status_code=201, response_model=Receipt)
@reads(ReturnIn)
async def record_return(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take one return; it may name its order, also one that is not there yet."""
    return await RETURNS.one(request, backfill=backfill, dry_run=dry_run)


@returns.post("/bulk", response_model=BulkReceipt)
@reads(ReturnIn, bulk=True)
async def record_returns(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take up to 10,000 returns; one answer per row."""
    return await RETURNS.many(request, backfill=backfill, dry_run=dry_run)


@returns.get("")
async def list_returns(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only this customer's.")] = None,
    key: DocumentKey = None,
) -> Page[ReturnOut]:
    """Returns, latest accepted first."""
    found, known = await _page(Return.kind, who, unit, limit, cursor, customer, key)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_return(stored, known))


@returns.get("/{id}")
async def get_return(id: Id, who: Reader, unit: Unit, response: Response) -> ReturnOut:  # noqa: A002
    """One return."""
    stored = await _visible(Return.kind, id, who, unit)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_return(stored, await names_of([stored.document], unit.connection))


@returns.post("/{id}/cancel")
async def cancel_return(id: Id, _: Clerk, unit: Unit) -> ReturnOut:  # noqa: A002
    """The goods did not come back after all. Repeating it changes nothing."""
    stored = await use_cases.cancel_return(id, unit)
    return show_return(stored, await names_of([stored.document], unit.connection))


async def _page(
    kind: str,
    who: Principal,
    unit: UnitOfWork,
    limit: int,
    cursor: str | None,
    customer: UUID | None,
    key: str | None,
) -> tuple[Sequence[Stored], Mapping[UUID, Known]]:
    """Rows of a page and one more, with the names of everyone in them."""
    after = decode_cursor(cursor, UUID)
    found = await documents.page(
        kind,
        unit.connection,
        after=after[0] if after else None,
        limit=limit + 1,
        party=customer,
        owner=visible_to(who).owner,
        key=key,
    )
    return found, await names_of([stored.document for stored in found], unit.connection)


async def _visible(kind: str, id_: UUID, who: Principal, unit: UnitOfWork) -> Stored:
    return await visible_document(await documents.get(kind, id_, unit.connection), visible_to(who), unit.connection)
