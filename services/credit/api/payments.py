"""Routes of payments."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from services.credit import use_cases
from services.credit.api.access import Accountant, Reader, Sender, Unit, read_one, read_page
from services.credit.schemas.payments import PaymentIn, PaymentOut, PaymentReversal, payment_draft, show_payment
from shared.events import Payment
from shared.http.documents import Backfill, BulkReceipt, DocumentKey, DryRun, Intake, Receipt, check_not_ahead, names_of
from shared.http.etags import etag
from shared.http.inputs import Id, body, reads
from shared.http.pagination import Cursor, Limit, Page, page_of

PAYMENTS: Final = Intake("credit", PaymentIn, use_cases.accept_documents, payment_draft, "received_at")

router = APIRouter(prefix="/v1/payments", tags=["credit"])


@router.post("", status_code=201, response_model=Receipt)
@reads(PaymentIn)
async def receive_payment(request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take one payment; it may name its invoice, also one that is not there yet."""
    return await PAYMENTS.one(request, backfill=backfill, dry_run=dry_run)


@router.post("/bulk", response_model=BulkReceipt)
@reads(PaymentIn, bulk=True)
async def receive_payments(
    request: Request, _: Sender, backfill: Backfill = False, dry_run: DryRun = False
) -> Response:
    """Take up to 10,000 payments; one answer per row."""
    return await PAYMENTS.many(request, backfill=backfill, dry_run=dry_run)


@router.get("")
async def list_payments(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only this customer's.")] = None,
    key: DocumentKey = None,
) -> Page[PaymentOut]:
    """Payments, latest accepted first."""
    found, known = await read_page(Payment.kind, who, unit, limit, cursor, customer, key)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_payment(stored, known))


@router.get("/{id}")
async def get_payment(id: Id, who: Reader, unit: Unit, response: Response) -> PaymentOut:  # noqa: A002
    """One payment."""
    stored, known = await read_one(Payment.kind, id, who, unit)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_payment(stored, known)


@router.post("/{id}/reverse")
async def reverse_payment(
    id: Id,  # noqa: A002
    wanted: Annotated[PaymentReversal, body(PaymentReversal)],
    _: Accountant,
    unit: Unit,
) -> PaymentOut:
    """The bank took it back: it is owed again from then on. Repeating it changes nothing."""
    at = wanted.reversed_at or unit.now
    check_not_ahead("reversed_at", at, unit.now)
    stored = await use_cases.reverse_payment(id, at, unit)
    return show_payment(stored, await names_of([stored.document], unit.connection))


@router.post("/{id}/retract")
async def retract_payment(id: Id, _: Accountant, unit: Unit) -> PaymentOut:  # noqa: A002
    """Take back a payment that never came: a booking mistake."""
    stored = await use_cases.retract(Payment.kind, id, unit)
    return show_payment(stored, await names_of([stored.document], unit.connection))
