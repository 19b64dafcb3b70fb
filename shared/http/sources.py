"""Routes by which a source says whom it serves, how often it beats, up to when it is complete, and that it has ended.

One router per producing service and the kinds it takes; the kind stands in the path, so that a gateway can route it.
"""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from shared.database.unit_of_work import UnitOfWork
from shared.events.sources import Beat, SourceKind
from shared.http.auth import Principal, requires
from shared.http.dependencies import unit_of_work
from shared.http.inputs import Input, Source, When, body
from shared.messaging import sources
from shared.messaging.document_store import DocumentStore, Stored

SourceName = Annotated[Source, Path(description="Name of the source, as in its documents.")]


class SourceIn(Input):
    """`all`: speaks for every customer; `named`: for those it has sent documents of. No rhythm: we beat for it."""

    coverage: Literal["all", "named"] = "all"
    rhythm_hours: Annotated[int, Field(ge=1, le=24 * 31)] | None = 24


class BeatIn(Input):
    """Everything with a business time before this instant has been sent and answered."""

    complete_until: When


class SourceOut(BaseModel):
    """A source and one kind of document it delivers."""

    source: str
    kind: SourceKind
    coverage: Literal["all", "named"]
    rhythm_hours: int | None
    activated_at: datetime
    retired_at: datetime | None
    complete_until: datetime | None


def sources_router(service: str, documents: DocumentStore, *kinds: SourceKind) -> APIRouter:
    """The routes for the kinds of one service."""
    router = APIRouter(prefix="/v1/sources", tags=[service])
    for kind in kinds:
        _add_routes(router, service, documents, kind)
    return router


def _add_routes(router: APIRouter, service: str, documents: DocumentStore, kind: SourceKind) -> None:
    path, unit_type = f"/{{source}}/{kind}", Annotated[UnitOfWork, unit_of_work(service)]

    @router.put(path, name=f"declare_{kind}_source")
    async def declare(
        source: SourceName,
        wanted: Annotated[SourceIn, body(SourceIn)],
        _: Annotated[Principal, requires("erp", "admin", "ops")],
        unit: unit_type,  # type: ignore[valid-type]
    ) -> SourceOut:
        """Declare a source, or change what it declared."""
        return _show(
            await sources.declare(
                documents, unit, source=source, of=kind, coverage=wanted.coverage, rhythm_hours=wanted.rhythm_hours
            )
        )

    @router.post(f"{path}/beats", name=f"beat_{kind}_source")
    async def beat(
        source: SourceName,
        wanted: Annotated[BeatIn, body(BeatIn)],
        _: Annotated[Principal, requires("erp", "admin")],
        unit: unit_type,  # type: ignore[valid-type]
    ) -> SourceOut:
        """Promise that everything before an instant was sent; a lower promise than the last changes nothing."""
        until = wanted.complete_until
        return _show(await sources.advance(documents, unit, source=source, of=kind, complete_until=until))

    @router.post(f"{path}/retire", name=f"retire_{kind}_source")
    async def retire(
        source: SourceName,
        _: Annotated[Principal, requires("admin", "ops")],
        unit: unit_type,  # type: ignore[valid-type]
    ) -> SourceOut:
        """The source delivers this kind no more and holds nothing back from now on."""
        return _show(await sources.retire(documents, unit, source=source, of=kind))


def _show(stored: Stored) -> SourceOut:
    beat = stored.document
    assert isinstance(beat, Beat)
    return SourceOut(
        source=beat.source,
        kind=beat.of,
        coverage=beat.coverage,
        rhythm_hours=beat.rhythm_hours,
        activated_at=beat.activated_at,
        retired_at=beat.retired_at,
        complete_until=beat.complete_until,
    )
