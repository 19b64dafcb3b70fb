"""Who may do what with documents of the credit service, and how routes read what their caller may see."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from services.credit.repository import documents
from shared.database.unit_of_work import UnitOfWork
from shared.http.auth import Principal, principal, requires, visible_to
from shared.http.dependencies import unit_of_work
from shared.http.documents import names_of, visible_document
from shared.http.pagination import decode_cursor
from shared.messaging.customers import Known
from shared.messaging.document_store import Stored

Unit = Annotated[UnitOfWork, unit_of_work("credit")]
Reader = Annotated[Principal, principal()]
Sender = Annotated[Principal, requires("erp", "admin")]
Accountant = Annotated[Principal, requires("finance", "admin")]
Controller = Annotated[Principal, requires("credit", "admin")]
Decider = Annotated[Principal, requires("credit", "erp", "admin")]
"""Limits are decided by credit controllers, or are facts of a system that keeps them; sales never decide credit."""


async def read_page(
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


async def read_one(kind: str, id_: UUID, who: Principal, unit: UnitOfWork) -> tuple[Stored, Mapping[UUID, Known]]:
    """One document with the names of its customers. Raises as if it were not there if the caller may not see it."""
    found = await documents.get(kind, id_, unit.connection)
    stored = await visible_document(found, visible_to(who), unit.connection)
    return stored, await names_of([stored.document], unit.connection)
