"""Routes of limit decisions."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from services.credit import use_cases
from services.credit.api.access import Controller, Decider, Reader, Unit, read_one, read_page
from services.credit.schemas.limits import CreditLimitIn, CreditLimitOut, limit_draft, show_limit
from shared.events import CreditLimit
from shared.http.documents import Backfill, BulkReceipt, DocumentKey, DryRun, Intake, Receipt, names_of
from shared.http.etags import etag
from shared.http.inputs import Id, reads
from shared.http.pagination import Cursor, Limit, Page, page_of

LIMITS: Final = Intake(
    "credit", CreditLimitIn, use_cases.accept_documents, limit_draft, "valid_from", may_lie_ahead=True
)

router = APIRouter(prefix="/v1/credit-limits", tags=["credit"])


@router.post("", status_code=201, response_model=Receipt)
@reads(CreditLimitIn)
async def set_limit(request: Request, _: Decider, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take one decision. It counts from `valid_from`, until the next one or up to `valid_to`."""
    return await LIMITS.one(request, backfill=backfill, dry_run=dry_run)


@router.post("/bulk", response_model=BulkReceipt)
@reads(CreditLimitIn, bulk=True)
async def set_limits(request: Request, _: Decider, backfill: Backfill = False, dry_run: DryRun = False) -> Response:
    """Take up to 10,000 decisions; one answer per row."""
    return await LIMITS.many(request, backfill=backfill, dry_run=dry_run)


@router.get("")
async def list_limits(
    who: Reader,
    unit: Unit,
    limit: Limit = 50,
    cursor: Cursor = None,
    customer: Annotated[Id | None, Query(description="Only this customer's.")] = None,
    key: DocumentKey = None,
) -> Page[CreditLimitOut]:
    """Decisions, latest accepted first; which one counts now stands in the customer's receivables."""
    found, known = await read_page(CreditLimit.kind, who, unit, limit, cursor, customer, key)
    return page_of(found, limit, key=lambda stored: (stored.id,), show=lambda stored: show_limit(stored, known))


@router.get("/{id}")
async def get_limit(id: Id, who: Reader, unit: Unit, response: Response) -> CreditLimitOut:  # noqa: A002
    """One decision."""
    stored, known = await read_one(CreditLimit.kind, id, who, unit)
    response.headers["ETag"] = etag(stored.epoch, stored.revision)
    return show_limit(stored, known)


@router.post("/{id}/retract")
async def retract_limit(id: Id, _: Controller, unit: Unit) -> CreditLimitOut:  # noqa: A002
    """Take back a decision nobody made: a booking mistake. The one before it counts again."""
    stored = await use_cases.retract(CreditLimit.kind, id, unit)
    return show_limit(stored, await names_of([stored.document], unit.connection))
