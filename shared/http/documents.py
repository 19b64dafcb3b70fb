"""How documents come in over HTTP, one or many, and what is answered; what a document is, the services say.

One write path: a single POST, the rows of a bulk call and a dry run end in the same use case.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from fastapi import Header, Query, Request, Response
from pydantic import BaseModel

from shared.context import Context
from shared.database.unit_of_work import Connection
from shared.errors import Conflict, FieldError, ForewarnError, InvalidInput
from shared.events import Document, Party
from shared.http.auth import Scope
from shared.http.dependencies import context_of
from shared.http.etags import etag
from shared.http.inputs import Input, NaturalKey, RowError, parse_body, parse_rows
from shared.http.problems import refused_row
from shared.messaging import customers
from shared.messaging.customers import Known
from shared.messaging.document_store import Outcome, Stored, not_found
from shared.messaging.ingest import Accept, Ingest, Result

M = TypeVar("M", bound=Input)
D = TypeVar("D")

AHEAD: Final = timedelta(hours=24)
"""How far the business time of a fact may lie ahead of our clock: clocks differ, zones are mistaken for one another.
Further ahead, a mistyped year would make a lost customer look active until then."""

DryRun = Annotated[bool, Query(description="Say what would happen, keep nothing.")]
Backfill = Annotated[
    bool, Header(alias="Forewarn-Backfill", description="Declared history: recorded and judged, never pushed.")
]
DocumentKey = Annotated[
    NaturalKey | None, Query(description="Only the one with this `source/number`, as evidence of warnings names it.")
]


class Receipt(BaseModel):
    """What became of one document."""

    status: Literal["accepted", "amended", "duplicate", "superseded"]
    id: UUID
    revision: int


class RowReceipt(BaseModel):
    """What became of one row: a receipt, or `refused` with code and message."""

    row: int
    status: Literal["accepted", "amended", "duplicate", "superseded", "refused"]
    id: UUID | None = None
    revision: int | None = None
    code: str | None = None
    message: str | None = None
    errors: list[dict[str, str]] | None = None


class BulkReceipt(BaseModel):
    """One result per row, in order, and how many there are of each status."""

    results: list[RowReceipt]
    counts: dict[str, int]


class CustomerRef(BaseModel):
    """A customer as lists show him."""

    id: UUID
    source: str | None = None
    external_id: str | None = None
    company_name: str | None = None


@dataclass(frozen=True, slots=True)
class Intake(Generic[M, D]):
    """The way in for one kind of document: what is read, what it becomes, which use case takes it."""

    service: str
    model: type[M]
    use_case: Accept[D]
    draft: Callable[[M, bool], D]
    """(what was sent, declared as backfill) -> what the use case takes."""
    time: str | None = None
    """Field with the business time, if what is sent has one."""
    may_lie_ahead: bool = False
    """Decisions may; facts may not."""

    async def one(self, request: Request, *, backfill: bool, dry_run: bool) -> Response:
        """Answer a single document: 201 if it is new, 200 if it changes or repeats one. Raises `document_differs`."""
        here = context_of(request, self.service)
        draft = self._draft(parse_body(self.model, await request.body()), here.clock.now(), backfill)
        ingest = self._ingest(request, here)
        results = await (ingest.try_out([draft]) if dry_run else ingest.accept([draft]))
        outcome = _taken(results[0])
        stored = outcome.stored
        return _json(
            {"status": outcome.status, "id": stored.id, "revision": stored.revision},
            201 if outcome.status == "accepted" else 200,
            {"ETag": etag(stored.epoch, stored.revision)},
        )

    async def many(self, request: Request, *, backfill: bool, dry_run: bool) -> Response:
        """Answer every row; a row that cannot be taken costs only itself."""
        here = context_of(request, self.service)
        rows = parse_rows(self.model, await request.body(), request.headers.get("content-type", ""))
        now = here.clock.now()
        drafts = [self._draft_or_error(row, now, backfill) for row in rows]
        good = [draft for draft in drafts if not isinstance(draft, ForewarnError)]
        ingest = self._ingest(request, here)
        taken = iter(await (ingest.try_out(good) if dry_run else ingest.accept(good)) if good else ())
        results: list[Result] = [draft if isinstance(draft, ForewarnError) else next(taken) for draft in drafts]
        return _json(_bulk(results), 200)

    def _draft(self, sent: M, now: datetime, backfill: bool) -> D:
        if self.time and not self.may_lie_ahead:
            check_not_ahead(self.time, getattr(sent, self.time), now)
        return self.draft(sent, backfill)

    def _draft_or_error(self, row: M | RowError, now: datetime, backfill: bool) -> D | ForewarnError:
        if isinstance(row, RowError):
            return row
        try:
            return self._draft(row, now, backfill)
        except ForewarnError as error:
            return error

    def _ingest(self, request: Request, here: Context) -> Ingest[D]:
        """The one writer of this service in this process, whatever kind of document it takes."""
        made: dict[tuple[str, Accept[D]], Ingest[D]] = request.app.state.ingests
        key = (self.service, self.use_case)
        if key not in made:
            made[key] = Ingest(here, self.use_case)
        return made[key]


def check_not_ahead(field: str, at: datetime, now: datetime) -> None:
    """Refuse the time of a fact that lies ahead of now by more than clocks differ. Raises `date_in_future`."""
    if at > now + AHEAD:
        message = f"{field} lies ahead of now."
        raise InvalidInput("date_in_future", message, fields=(FieldError(field, "date_in_future", message),))


async def visible_document(stored: Stored, scope: Scope, connection: Connection) -> Stored:
    """The document, if the caller may see any of its customers. Raises as if it were not there."""
    parties = [party.id for party in stored.document.parties()]
    if scope.owner is not None and not await customers.sees(scope.owner, parties, connection):
        raise not_found(stored.document.kind)
    return stored


async def names_of(documents: Sequence[Document], connection: Connection) -> Mapping[UUID, Known]:
    """What is known of everyone the documents name, in one query."""
    return await customers.known({party.id for one in documents for party in one.parties()}, connection)


def customer_ref(party: Party, known: Mapping[UUID, Known]) -> CustomerRef:
    """The party with his name, where it is known."""
    found = known.get(party.id)
    return CustomerRef(
        id=party.id,
        source=party.source,
        external_id=party.external_id,
        company_name=found.company_name if found else None,
    )


def _taken(result: Result) -> Outcome:
    if isinstance(result, ForewarnError):
        raise result
    if result.status == "differs":
        raise _differs()
    return result


def _bulk(results: Sequence[Result]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    shown = [_row(number, result) for number, result in enumerate(results, 1)]
    for row in shown:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return {"results": shown, "counts": counts}


def _row(number: int, result: Result) -> dict[str, Any]:
    if isinstance(result, RowError):
        return refused_row(result.row, result)
    if isinstance(result, ForewarnError):
        return refused_row(number, result)
    if result.status == "differs":
        return refused_row(number, _differs())
    return {"row": number, "status": result.status, "id": result.stored.id, "revision": result.stored.revision}


def _differs() -> Conflict:
    return Conflict(
        "document_differs",
        "This number is known with other content. Send a higher source_revision, or PATCH the document.",
    )


def _json(content: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
