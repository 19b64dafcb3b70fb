"""Routes of invoices."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from services.credit import use_cases
from services.credit.api.access import Accountant, Reader, Sender, Unit, read_one, read_page
from services.credit.schemas.invoices import (
    InvoiceCancellation,
    InvoiceChange,
    InvoiceIn,
    InvoiceOut,
    invoice_draft,
    show_invoice,
)
from shared.events import Invoice
from shared.http.documents import Backfill, BulkReceipt, DocumentKey, DryRun, Intake, Receipt, check_not_ahead, names_of
from shared.http.etags import etag, if_match
from shared.http.inputs import Id, body, reads
from shared.http.pagination import Cursor, Limit, Page, page_of

INVOICES: Final = Intake("credit", InvoiceIn, use_cases.accept_documents, invoice_draft, "issued_at")

router = APIRouter(prefix="/v1/invoices", tags=["credit"])


@router.post("", status_code=201, response_model=Receipt)
@reads(InvoiceIn)
async def issue_invoice(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take one invoice. Sent again it is a duplicate; with a higher source_revision it amends or cancels."""
    return await INVOICES.one(request, backfill=backfill, dry_run=dry_run)


@router.post("/bulk", response_model=BulkReceipt)
@reads(InvoiceIn, bulk=True)
async def issue_invoices(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take up to 10,000 invoices; one answer per row."""
    return await INVOICES.many(request, backfill=backfill, dry_run=dry_run)


@router.get("")
async def list_invoices(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only this customer's, as buyer or payer.")] = None,
    key: DocumentKey = None,
) -> Page[InvoiceOut]:
    """Invoices, latest accepted first."""
    found, known = await read_page(Invoice.kind, who, unit, limit, cursor, customer, key)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_invoice(stored, known))


@router.get("/{id}")
async def get_invoice(id: Id, who: Reader, unit: Unit, response: Response) -> InvoiceOut:  # noqa: A002
    """One invoice."""
    stored, known = await read_one(Invoice.kind, id, who, unit)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_invoice(stored, known)


@router.patch("/{id}")
async def amend_invoice(
    id: Id,  # noqa: A002
    request: Request,
    change: Annotated[InvoiceChange, body(InvoiceChange)],
    _: Accountant,
    unit: Unit,
    response: Response,
) -> InvoiceOut:
    """Amend amount or due day by hand; If-Match names the revision that is changed."""
    seen = if_match(request)
    stored = await use_cases.amend_invoice(id, unit, lambda held: seen.check(held.epoch, held.revision), change.amended)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_invoice(stored, await names_of([stored.document], unit.connection))


@router.post("/{id}/cancel")
async def cancel_invoice(
    id: Id,  # noqa: A002
    wanted: Annotated[InvoiceCancellation, body(InvoiceCancellation)],
    _: Accountant,
    unit: Unit,
) -> InvoiceOut:
    """Nothing is claimed by it from then on; what was paid pays other claims. Repeating it changes nothing."""
    at = wanted.cancelled_at or unit.now
    check_not_ahead("cancelled_at", at, unit.now)
    stored = await use_cases.cancel_invoice(id, at, unit)
    return show_invoice(stored, await names_of([stored.document], unit.connection))


@router.post("/{id}/retract")
async def retract_invoice(id: Id, _: Accountant, unit: Unit) -> InvoiceOut:  # noqa: A002
    """Take back an invoice that never was one: a booking mistake."""
    stored = await use_cases.retract(Invoice.kind, id, unit)
    return show_invoice(stored, await names_of([stored.document], unit.connection))
