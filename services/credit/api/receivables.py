"""Route of what a customer owes."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.credit import use_cases
from services.credit.api.access import Reader, Unit
from services.credit.errors import customer_not_found
from services.credit.schemas.receivables import ReceivablesOut, show_standing
from shared.context import Context
from shared.http.auth import visible_to
from shared.http.dependencies import context
from shared.http.inputs import Id, When
from shared.messaging import customers

router = APIRouter(prefix="/v1/customers", tags=["credit"])


@router.get("/{id}/receivables")
async def get_receivables(
    id: Id,  # noqa: A002
    who: Reader,
    unit: Unit,
    here: Annotated[Context, context("credit")],
    as_of: Annotated[When | None, Query(description="Business time; now, if left out.")] = None,
) -> ReceivablesOut:
    """Debt, exposure, overdue and limit of the customer and everyone linked with him, per currency, with documents."""
    owner = visible_to(who).owner
    if owner is not None and not await customers.sees(owner, [id], unit.connection):
        raise customer_not_found()
    standing = await use_cases.standing_of(id, unit, as_of=as_of or unit.now, zone=here.settings.zone)
    return show_standing(id, standing, await customers.known(standing.members, unit.connection))
