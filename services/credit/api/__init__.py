"""Routes of the credit service: parse, one use case, show. Who may what stands at each route."""

from typing import Final

from services.credit.api import invoices, limits, payments, receivables
from services.credit.repository import documents
from shared.http.sources import sources_router

ROUTERS: Final = (
    limits.router,
    invoices.router,
    payments.router,
    receivables.router,
    sources_router("credit", documents, "invoice", "payment"),
)
