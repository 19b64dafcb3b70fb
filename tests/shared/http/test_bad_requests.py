"""The bad-input matrix of transport and query parameters."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.http.auth import requires
from tests.shared.http.orders import make_app, token

TRANSPORT = [
    ("H8", {"content-type": "application/json; charset=gbk"}, 415, "charset"),
    ("H9", {"content-type": "text/plain"}, 415, "content_type"),
    ("H9 form", {"content-type": "application/x-www-form-urlencoded"}, 415, "content_type"),
    ("H9 lines", {"content-type": "application/x-ndjson"}, 415, "content_type"),
    ("H9 none", {"content-type": ""}, 415, "content_type"),
    ("H10", {"content-type": "application/json", "content-encoding": "gzip"}, 415, "content_encoding"),
    ("H11", {"content-type": "application/json", "content-length": "1048577"}, 413, "body_too_large"),
    ("H15", {"content-type": "application/json", "content-length": "-1"}, 400, "content_length"),
    ("H15 digits", {"content-type": "application/json", "content-length": "9" * 5000}, 413, "body_too_large"),
]

QUERIES = [
    *((f"Q1 {text}", f"limit={text}", 422, "out_of_range") for text in ("0", "-1", "501", "1000000000", "9" * 30)),
    *(
        (f"Q4 {text}", f"limit={text}", 422, "int_type")
        for text in ("10.0", "1e2", "0x10", "%EF%BC%91", "%2010", "1_0", "", "true", "--1")
    ),
    ("Q4 digits", "limit=" + "9" * 4400, 422, "out_of_range"),
    ("Q6", "limit=10&limit=20", 422, "repeated_parameter"),
    *(
        (f"Q9 {text}", f"cursor={text}", 422, "bad_cursor")
        for text in ("x", "W10", "WyJBIl0x", "WzFd", "bnVsbA", "%2B", "WyJcdTAwMDAiXQ", "====", "é")
    ),
    ("Q11", "cursor=" + "a" * 2000, 422, "too_long"),
    ("Q16", "q=%00", 422, "char_not_allowed"),
    ("Q17", "q=%ff", 422, "encoding"),
    ("Q17 surrogate", "q=%ed%a0%80", 422, "encoding"),
    ("Q21", "q=" + "a" * 1000, 422, "too_long"),
    ("Q24", "since=2026-01-01T00:00:00+08:00", 422, "datetime_format"),
    ("Q25", "since=2026-01-01T00:00:00", 422, "timezone_required"),
    ("Q28", "since=0001-01-01T00:00:00%2B14:00", 422, "date_out_of_range"),
    ("Q41", "foo=1", 422, "unknown_parameter"),
    ("Q41 case", "Limit=10", 422, "unknown_parameter"),
    ("Q43", "q[]=1", 422, "unknown_parameter"),
    ("Q44", "access_token=x", 400, "credentials_in_url"),
    ("Q45", "q=" + "a" * 9000, 400, "query_too_long"),
    ("Q45 many", "&".join(["state=a"] * 101), 400, "query_too_long"),
]


class TestTransport:
    @pytest.mark.parametrize(
        ("headers", "status", "code"), [row[1:] for row in TRANSPORT], ids=[row[0] for row in TRANSPORT]
    )
    async def test_body_of_another_kind_or_size_is_refused(
        self, client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str
    ) -> None:
        answer = await client.post("/v1/orders", content=b'{"number": "A"}', headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_body_without_length_is_cut_off_at_the_limit(self, client: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 100_000

        answer = await client.post("/v1/orders", content=chunks(), headers={"content-type": "application/json"})

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    async def test_bulk_route_takes_more(self, client: httpx.AsyncClient) -> None:
        body = b'[{"number": "A"}' + b" " * 2_000_000 + b"]"

        answer = await client.post("/v1/orders/bulk", content=body, headers={"content-type": "application/json"})

        assert answer.json() == {"results": [{"row": 1, "status": "accepted"}]}

    async def test_charset_utf8_is_fine(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": 'Application/JSON; charset="UTF-8"'}

        answer = await client.post("/v1/orders", content=b'{"number": "A"}', headers=headers)

        assert answer.status_code == 201


class TestQueries:
    @pytest.mark.parametrize(("query", "status", "code"), [row[1:] for row in QUERIES], ids=[row[0] for row in QUERIES])
    async def test_bad_parameter_is_refused(
        self, client: httpx.AsyncClient, query: str, status: int, code: str
    ) -> None:
        answer = await client.get(f"/v1/orders?{query}")

        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_list_parameter_may_be_repeated(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/orders?state=a&state=b&limit=1")

        assert answer.status_code == 200

    @pytest.mark.parametrize("path", ["/v1/orders/1", "/v1/orders/%00", "/v1/orders/..%2f..", "/v1/orders/%31;x=1"])
    async def test_bad_id_is_refused(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path)

        assert answer.status_code in (404, 422)

    async def test_parameters_may_come_as_a_model(self) -> None:
        class Filter(BaseModel):
            state: list[str] = []
            owner: str | None = None

        filtered = APIRouter(tags=["x"], dependencies=[requires("admin")])

        @filtered.get("/things")
        async def things(wanted: Annotated[Filter, Query()]) -> Filter:
            return wanted

        transport = httpx.ASGITransport(app=make_app(routers=(filtered,)))
        headers = {"authorization": f"Bearer {token('anna', 'admin')}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            answers = [await client.get(f"/things?{query}") for query in ("state=a&state=b", "owner=a&owner=b", "x=1")]

        assert answers[0].json() == {"state": ["a", "b"], "owner": None}
        assert [answer.json().get("code") for answer in answers[1:]] == ["repeated_parameter", "unknown_parameter"]
