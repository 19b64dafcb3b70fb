"""A service so small that only what all routes share is left of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import httpx
import msgspec
from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import Field

from shared.clock import SystemClock
from shared.context import Context
from shared.http.app import create_app
from shared.http.auth import Principal, Role, TokenVerifier, issue_token, requires
from shared.http.etags import etag, if_match
from shared.http.health import Check
from shared.http.inputs import (
    Code,
    Currency,
    Day,
    ExternalId,
    Id,
    Input,
    Money,
    RowError,
    Text,
    When,
    body,
    parse_body,
    parse_rows,
    reads,
)
from shared.http.pagination import Cursor, Limit, Page, decode_cursor, page_of
from shared.http.problems import refused_row

KEY: Final = b"k" * 32

NUMBERS: Final = [f"N-{number:04d}" for number in range(1000)]

Number32 = Annotated[int, Field(ge=0, lt=2**31)]


class CustomerIn(Input):
    """Who is meant."""

    id: Id | None = None
    external_id: ExternalId | None = None


class OrderIn(Input):
    """One field of each sort."""

    number: Code
    currency: Currency = "CNY"
    amount: Money = 0
    customer: CustomerIn | None = None
    placed_at: When | None = None
    due: Day | None = None
    note: Text | None = None
    lines: Number32 | None = None
    express: bool | None = None
    state: Literal["accepted", "held"] = "accepted"


class ChangeIn(Input):
    """What may be changed."""

    note: Text


router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post("", status_code=201)
@reads(OrderIn)
async def place(request: Request, _: Annotated[Principal, requires("erp", "admin")]) -> Response:
    """A hot route: reads and answers by hand."""
    order = parse_body(OrderIn, await request.body())
    return _json(order.model_dump(mode="json"), 201)


@router.post("/bulk")
@reads(OrderIn, bulk=True)
async def place_many(request: Request, _: Annotated[Principal, requires("erp", "admin")]) -> Response:
    """A bulk route: answers per row."""
    rows = parse_rows(OrderIn, await request.body(), request.headers.get("content-type", ""))
    results = [
        refused_row(row.row, row) if isinstance(row, RowError) else {"row": number, "status": "accepted"}
        for number, row in enumerate(rows, 1)
    ]
    return _json({"results": results})


@router.get("")
async def find(
    _: Annotated[Principal, requires("sales", "admin")],
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Annotated[Text | None, Query()] = None,  # noqa: ARG001
    since: Annotated[When | None, Query()] = None,  # noqa: ARG001
    state: Annotated[list[str] | None, Query()] = None,  # noqa: ARG001
) -> Page[str]:
    """A list."""
    key = decode_cursor(cursor, str)
    rest = [number for number in NUMBERS if key is None or number > key[0]]
    return page_of(rest[: limit + 1], limit, key=lambda number: (number,), show=lambda number: number)


@router.get("/{id}")
async def get(id: Id, who: Annotated[Principal, requires("sales", "admin")]) -> dict[str, str]:  # noqa: A002
    """A detail."""
    return {"id": str(id), "for": who.subject}


@router.patch("/{id}")
async def change(
    id: Id,  # noqa: A002, ARG001
    request: Request,
    wanted: Annotated[ChangeIn, body(ChangeIn)],
    _: Annotated[Principal, requires("admin")],
) -> Response:
    """A change of a document that is at revision 7."""
    if_match(request).check(1, 7)
    return Response(msgspec.json.encode({"note": wanted.note}), headers={"ETag": etag(1, 8)})


@router.post("/{id}/explode")
async def explode(id: UUID, _: Annotated[Principal, requires("admin")]) -> None:  # noqa: A002
    """Our own fault."""
    raise RuntimeError(f"password of {id}")


def make_app(
    contexts: Mapping[str, Context] | None = None,
    routers: tuple[APIRouter, ...] = (router,),
    checks: Mapping[str, Check] | None = None,
) -> FastAPI:
    """The app of this service."""
    verifier = TokenVerifier({"1": KEY}, SystemClock())
    return create_app(routers=routers, contexts=contexts or {}, verifier=verifier, checks=checks)


def token(subject: str, *roles: Role) -> str:
    """A token that is valid for an hour."""
    return issue_token(KEY, subject, roles, timedelta(hours=1), datetime.now(UTC))


def codes_of(answer: httpx.Response) -> dict[str, str]:
    """Code by field, of a problem; the code of the whole under the empty name if no field is named."""
    problem: dict[str, Any] = answer.json()
    return {error["field"]: error["code"] for error in problem["errors"]} or {"": problem["code"]}


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
