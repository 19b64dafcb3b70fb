"""Routes of customers and links: parse, one use case, show. Who may what stands at each route."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.customer import repository, use_cases
from services.customer.repository import documents
from services.customer.schemas import (
    CustomerChange,
    CustomerIn,
    CustomerOut,
    ExternalIdIn,
    LinkIn,
    LinkOut,
    Staff,
    registration,
    show_customer,
    show_link,
)
from shared.database.unit_of_work import UnitOfWork
from shared.events import Customer, CustomerLink
from shared.http.auth import Principal, principal, requires, visible_to
from shared.http.dependencies import unit_of_work
from shared.http.documents import BulkReceipt, DryRun, Intake, Receipt, names_of, visible_document
from shared.http.etags import etag, if_match
from shared.http.inputs import Id, Text, body, reads
from shared.http.pagination import Cursor, Limit, Page, decode_cursor, page_of
from shared.http.sources import sources_router
from shared.messaging.customers import groups_of, known
from shared.messaging.document_store import Stored

Unit = Annotated[UnitOfWork, unit_of_work("customer")]
Reader = Annotated[Principal, principal()]
Registrar = Annotated[Principal, requires("admin", "manager", "service_desk", "erp")]
Clerk = Annotated[Principal, requires("admin", "manager", "service_desk")]

ASSIGN: Final = frozenset({"admin", "manager"})
"""Roles that may give a customer another owner."""

CUSTOMERS: Final = Intake("customer", CustomerIn, use_cases.register, registration)

customers = APIRouter(prefix="/v1/customers", tags=["customer"])
links = APIRouter(prefix="/v1/customer-links", tags=["customer"])
sources = sources_router("customer", documents, "expense")


@customers.post("", status_code=201, response_model=Receipt)
@reads(CustomerIn)
async def register_customer(request: Request, _: Registrar, dry_run: DryRun = False) -> Response:
    """Register a customer, or confirm one who was only named by documents. Sent again it changes nothing."""
    return await CUSTOMERS.one(request, backfill=False, dry_run=dry_run)


@customers.post("/bulk", response_model=BulkReceipt)
@reads(CustomerIn, bulk=True)
async def register_customers(request: Request, _: Registrar, dry_run: DryRun = False) -> Response:
    """Register up to 10,000 customers; one answer per row."""
    return await CUSTOMERS.many(request, backfill=False, dry_run=dry_run)


@customers.get("")
async def list_customers(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    confirmed: Annotated[bool | None, Query(description="false: only named by documents, perhaps mistyped.")] = None,
    owner: Annotated[Staff | None, Query(description="Only customers in this staff member's charge.")] = None,
    q: Annotated[Text | None, Query(description="How company name or external id begin.")] = None,
) -> Page[CustomerOut]:
    """Customers, registered last first; those linked stand once, under the root of their group."""
    after = decode_cursor(cursor, datetime, UUID)
    found = await repository.page(
        unit.connection,
        after=(after[0], after[1]) if after else None,
        limit=limit + 1,
        visible_to=visible_to(who).owner,
        owner=owner,
        confirmed=confirmed,
        q=q,
    )
    shown = dict(zip([stored.id for stored in found], await _shown(found, unit), strict=True))
    return page_of(
        found, limit, key=lambda stored: (stored.document.at, stored.id), show=lambda stored: shown[stored.id]
    )


@customers.get("/{id}")
async def get_customer(id: Id, who: Reader, unit: Unit, response: Response) -> CustomerOut:  # noqa: A002
    """One customer, also one who goes by another's name: `root` says whose."""
    stored = await documents.get(Customer.kind, id, unit.connection)
    return await _answer(await visible_document(stored, visible_to(who), unit.connection), unit, response)


@customers.patch("/{id}")
async def change_customer(
    id: Id,  # noqa: A002
    request: Request,
    wanted: Annotated[CustomerChange, body(CustomerChange)],
    who: Registrar,
    unit: Unit,
    response: Response,
) -> CustomerOut:
    """Change name or owner; If-Match names the revision that is changed. Another owner needs a manager."""
    seen = if_match(request)
    stored = await use_cases.change_customer(
        id,
        unit,
        lambda held: seen.check(held.epoch, held.revision),
        wanted.changed,
        may_assign=bool(who.roles & ASSIGN),
    )
    return await _answer(stored, unit, response)


@customers.post("/{id}/external-ids")
async def add_external_id(
    id: Id,  # noqa: A002
    wanted: Annotated[ExternalIdIn, body(ExternalIdIn)],
    _: Registrar,
    unit: Unit,
    response: Response,
) -> CustomerOut:
    """Give a customer a further external id, which becomes a link. Repeating it changes nothing."""
    await use_cases.add_external_id(id, wanted.party(), unit)
    return await _answer(await documents.get(Customer.kind, id, unit.connection), unit, response)


@links.post("", status_code=201)
async def link_customers(wanted: Annotated[LinkIn, body(LinkIn)], _: Clerk, unit: Unit, response: Response) -> LinkOut:
    """Say that two customers are one: 201 for a new link, 200 for one there was before. Sums stay where they are."""
    outcome = await use_cases.link(wanted.survivor.named(), wanted.absorbed.named(), unit)
    response.status_code = 201 if outcome.status == "accepted" else 200
    return await _answer_link(outcome.stored, unit, response)


@links.get("")
async def list_links(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only links that name this customer.")] = None,
) -> Page[LinkOut]:
    """Links, made last first; also those undone."""
    after = decode_cursor(cursor, UUID)
    found = await documents.page(
        CustomerLink.kind,
        unit.connection,
        after=after[0] if after else None,
        limit=limit + 1,
        party=customer,
        owner=visible_to(who).owner,
    )
    names = await names_of([stored.document for stored in found], unit.connection)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_link(stored, names))


@links.get("/{id}")
async def get_link(id: Id, who: Reader, unit: Unit, response: Response) -> LinkOut:  # noqa: A002
    """One link."""
    stored = await documents.get(CustomerLink.kind, id, unit.connection)
    return await _answer_link(await visible_document(stored, visible_to(who), unit.connection), unit, response)


@links.post("/{id}/unlink")
async def unlink_customers(id: Id, _: Clerk, unit: Unit, response: Response) -> LinkOut:  # noqa: A002
    """The two are not one customer after all. Repeating it changes nothing."""
    return await _answer_link(await use_cases.unlink(id, unit), unit, response)


async def _answer(stored: Stored, unit: UnitOfWork, response: Response) -> CustomerOut:
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return (await _shown([stored], unit))[0]


async def _answer_link(stored: Stored, unit: UnitOfWork, response: Response) -> LinkOut:
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_link(stored, await names_of([stored.document], unit.connection))


async def _shown(found: Sequence[Stored], unit: UnitOfWork) -> list[CustomerOut]:
    """Customers with everyone linked with them, in two queries."""
    groups = await groups_of([stored.id for stored in found], unit.connection)
    members = {member for group in groups.values() for member in group.members}
    names = await known(members, unit.connection)
    return [show_customer(stored, groups[stored.id], names) for stored in found]
