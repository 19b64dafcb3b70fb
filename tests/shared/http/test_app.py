"""The app itself: problems, headers, health, metrics, the document, and what it refuses to be made of."""

import asyncio
from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from shared.errors import Unavailable
from shared.http.auth import Principal, requires
from tests.shared.http.orders import make_app, router


def client_of(app: Any) -> httpx.AsyncClient:
    """A client without token."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


class TestProblems:
    async def test_unexpected_error_shows_nothing_of_the_inside(self, client: httpx.AsyncClient) -> None:
        """INVARIANT: messages of unexpected errors hold statements, paths and values; only our log may have them."""
        with structlog.testing.capture_logs() as lines:
            answer = await client.post("/v1/orders/018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f/explode")

        assert answer.status_code == 500
        assert "password" not in answer.text
        assert answer.json()["code"] == "internal_error"
        logged = next(line for line in lines if line["event"] == "unexpected_error")
        assert logged["trace_id"] == answer.json()["trace_id"] == answer.headers["x-request-id"]
        assert logged["exc_info"]

    async def test_unknown_path_is_a_problem(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/nothing")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_slash_at_the_end_is_not_redirected(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/orders/", json={})

        assert answer.status_code == 404

    @pytest.mark.parametrize("method", ["PUT", "TRACE", "DELETE", "OPTIONS", "BREW"])
    async def test_wrong_method_is_answered_with_all_right_ones(self, client: httpx.AsyncClient, method: str) -> None:
        answer = await client.request(method, "/v1/orders")

        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")

    async def test_try_again_later_says_when(self) -> None:
        broken = APIRouter(tags=["broken"])

        @broken.get("/busy")
        async def busy() -> None:
            raise Unavailable("busy", "Later.", retry_after=7)

        async with client_of(make_app(routers=(broken,))) as client:
            answer = await client.get("/busy")

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


class TestBulk:
    async def test_every_row_is_answered(self, client: httpx.AsyncClient) -> None:
        rows = [{"number": "A"}, {"number": "B", "amount": "x"}]

        answer = await client.post("/v1/orders/bulk", json=rows)

        good, bad = answer.json()["results"]
        assert good == {"row": 1, "status": "accepted"}
        assert (bad["row"], bad["status"], bad["code"]) == (2, "refused", "amount_format")
        assert [error["field"] for error in bad["errors"]] == ["amount"]


class TestHeaders:
    async def test_given_request_id_comes_back(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/healthz", headers={"x-request-id": "abc-12345"})

        assert answer.headers["x-request-id"] == "abc-12345"

    @pytest.mark.parametrize("given", ["short", "a" * 65, "a b c d e f", "<script>alert"])
    async def test_request_id_that_is_none_is_replaced(self, client: httpx.AsyncClient, given: str) -> None:
        answer = await client.get("/healthz", headers={"x-request-id": given})

        assert len(answer.headers["x-request-id"]) == 32

    async def test_every_answer_has_the_security_headers(self, client: httpx.AsyncClient) -> None:
        for path in ("/healthz", "/v1/orders", "/nowhere"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


class TestHealth:
    async def test_alive_without_token(self) -> None:
        async with client_of(make_app()) as client:
            assert (await client.get("/healthz")).json() == {"status": "alive"}

    async def test_metrics_count_by_route_not_by_path(self, client: httpx.AsyncClient) -> None:
        """INVARIANT: a label per path would keep a time series for every id anybody ever asked for."""
        await client.get("/v1/orders/018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f")
        await client.get("/v1/never-heard-of")

        text = (await client.get("/metrics")).text

        assert 'http_request_duration_seconds_count{method="GET",route="/v1/orders/{id}",status="200"}' in text
        assert "018f3c6e" not in text
        assert "never-heard-of" not in text
        assert "loop_lag_seconds" in text

    async def test_loop_is_watched_while_the_app_lives(self) -> None:
        app = make_app()

        async with app.router.lifespan_context(app):
            assert "loop-lag" in {task.get_name() for task in asyncio.all_tasks()}

        assert "loop-lag" not in {task.get_name() for task in asyncio.all_tasks()}


class TestDocument:
    async def test_operations_are_named_after_service_and_function(self) -> None:
        paths = make_app().openapi()["paths"]

        assert paths["/v1/orders"]["post"]["operationId"] == "orders_place"
        assert paths["/v1/orders/{id}"]["get"]["operationId"] == "orders_get"

    async def test_bodies_that_routes_read_themselves_are_documented(self) -> None:
        document = make_app().openapi()

        single = document["paths"]["/v1/orders"]["post"]["requestBody"]["content"]
        bulk = document["paths"]["/v1/orders/bulk"]["post"]["requestBody"]["content"]
        patch = document["paths"]["/v1/orders/{id}"]["patch"]["requestBody"]["content"]
        assert single == {"application/json": {"schema": {"$ref": "#/components/schemas/OrderIn"}}}
        assert bulk["application/json"]["schema"]["items"] == {"$ref": "#/components/schemas/OrderIn"}
        assert "application/x-ndjson" in bulk
        assert patch["application/json"]["schema"] == {"$ref": "#/components/schemas/ChangeIn"}
        assert {"OrderIn", "ChangeIn", "CustomerIn", "Problem"} <= document["components"]["schemas"].keys()

    async def test_every_operation_documents_its_problems(self) -> None:
        for operations in make_app().openapi()["paths"].values():
            for operation in operations.values():
                assert {"401", "403", "422", "503"} <= operation["responses"].keys()
                assert operation["responses"]["422"]["content"].keys() == {"application/problem+json"}

    async def test_document_is_for_those_with_a_token(self, client: httpx.AsyncClient) -> None:
        async with client_of(make_app()) as stranger:
            assert (await stranger.get("/openapi.json")).status_code == 401

        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


class TestWhatAnAppIsMadeOf:
    async def test_body_read_in_the_way_of_the_framework_is_refused(self) -> None:
        """INVARIANT: FastAPI parses numbers as floats, so 0.1 + 0.2 would become an amount."""

        class Loose(BaseModel):
            amount: float

        loose = APIRouter()

        @loose.post("/loose")
        async def take(_: Annotated[Principal, requires("erp")], body: Loose) -> Loose:
            return body

        with pytest.raises(TypeError, match="floats"):
            make_app(routers=(loose,))

    async def test_nested_router_is_refused(self) -> None:
        outer = APIRouter()
        outer.include_router(router)

        with pytest.raises(TypeError, match="do not nest"):
            make_app(routers=(outer,))

    async def test_same_router_serves_two_apps(self) -> None:
        first, second = make_app(), make_app()

        assert first.openapi() == second.openapi()
