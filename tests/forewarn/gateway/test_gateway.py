"""One port before five services: each request reaches the service whose route it is, as it was sent, and so does the
answer come back; a service that is away harms no other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from forewarn.gateway import forwarding
from forewarn.gateway.app import gateway_app
from forewarn.services import all_services
from shared.http.introspection import methods_of
from shared.http.routing import guarded
from tests.forewarn.gateway.stand_in import StandIn, reached
from tests.support.streaming import Listening, listening

SERVICES = all_services()
ROUTES = [
    (service.name, method, route.path)
    for service in SERVICES
    for route in guarded(service.routers)
    for method in sorted(methods_of(route))
    if route.path != "/v1/inbox/stream"
]
AWAY = "http://127.0.0.1:1"
"""Nobody listens there."""


@pytest.fixture
def services() -> dict[str, StandIn]:
    """The stand-ins, by name."""
    return {service.name: StandIn(service.name) for service in SERVICES}


@pytest.fixture
async def urls(services: dict[str, StandIn]) -> AsyncIterator[dict[str, str]]:
    """Where each of them listens."""
    async with contextlib.AsyncExitStack() as stack:
        yield {name: (await stack.enter_async_context(listening(app))).url for name, app in services.items()}


@pytest.fixture
async def gateway(urls: dict[str, str]) -> AsyncIterator[Listening]:
    """The gateway before them."""
    async with listening(gateway_app(SERVICES, urls)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Listening) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody outside."""
    async with gateway.client() as client:
        yield client


class TestForward:
    async def test_every_route_reaches_its_service(self, client: httpx.AsyncClient) -> None:
        for service, method, template in ROUTES:
            path = template.replace("{id}", "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f").replace("{source}", "erp")
            answer = await client.request(method, path)
            told = reached(answer.content)
            assert (told.service, told.method, told.target) == (service, method, path)

    async def test_path_query_and_body_arrive_as_they_were_sent(self, client: httpx.AsyncClient) -> None:
        body = bytes(range(256)) * 8000
        target = "/v1/sources/%E9%87%91%20a%zz/order/beats?a=%2b+b&a=;%ff&c"
        request = client.build_request("POST", target, content=body)
        request.extensions["target"] = target.encode()
        told = reached((await client.send(request)).content)
        assert (told.service, told.target, told.body) == ("orders", target, body)

    async def test_a_body_without_a_length_arrives_whole(self, client: httpx.AsyncClient) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(20):
                yield b"%d," % number

        told = reached((await client.post("/v1/orders/bulk", content=pieces())).content)
        assert told.body == b"".join([b"%d," % number for number in range(20)])

    async def test_headers_of_the_client_go_on_and_those_of_his_connection_stay(
        self, client: httpx.AsyncClient, urls: dict[str, str]
    ) -> None:
        headers = [
            ("Authorization", "Bearer x"),
            ("If-Match", '"7"'),
            ("X-Two", "1"),
            ("X-Two", "2"),
            ("Connection", "keep-alive, x-mine"),
            ("X-Mine", "secret"),
            ("TE", "trailers"),
        ]
        request = httpx.Request("GET", client.base_url.join("/v1/orders"), headers=headers)
        told = reached((await client.send(request)).content)
        assert told.values("authorization") == ["Bearer x"]
        assert told.values("if-match") == ['"7"']
        assert told.values("x-two") == ["1", "2"]
        assert told.values("host") == [urls["orders"].removeprefix("http://")]
        assert not told.values("x-mine")
        assert not told.values("te")
        assert not told.values("accept-encoding")

    async def test_both_log_under_one_trace_id(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/orders", headers={"X-Request-ID": "trace-of-the-client"})
        assert answer.headers.get_list("x-request-id") == ["trace-of-the-client"]
        assert reached(answer.content).values("x-request-id") == ["trace-of-the-client"]
        made_up = await client.get("/v1/orders", headers={"X-Request-ID": "<script>"})
        assert (
            reached(made_up.content).values("x-request-id") == made_up.headers.get_list("x-request-id") != ["<script>"]
        )

    async def test_the_answer_comes_back_as_it_is(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        services["credit"].status = 422
        services["credit"].answer = ((b"etag", b'"3"'), (b"retry-after", b"2"), (b"content-type", b"application/x"))
        answer = await client.get("/v1/invoices")
        assert answer.status_code == 422
        assert [answer.headers[name] for name in ("etag", "retry-after", "content-type")] == [
            '"3"',
            "2",
            "application/x",
        ]
        assert answer.headers.get_list("date").__len__() == 1

    async def test_what_is_nobodys_is_answered_here(self, client: httpx.AsyncClient) -> None:
        unknown, wrong = await client.get("/v1/nothing"), await client.delete("/v1/orders")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "GET, POST"


class TestFailures:
    async def test_a_service_that_is_away_harms_no_other(self, urls: dict[str, str]) -> None:
        async with listening(gateway_app(SERVICES, urls | {"credit": AWAY})) as gateway, gateway.client() as client:
            away, there = (
                await client.post("/v1/invoices", content=b"{}"),
                await client.post("/v1/orders", content=b"{}"),
            )
        assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "service_away", "1")
        assert there.status_code == 200

    async def test_an_answer_that_is_lost_is_not_called_away(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        """INVARIANT: `service_away` says that nothing was done; a request that had arrived may have been."""
        services["orders"].misbehaviour = "gone"
        answer = await client.post("/v1/orders", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (502, "answer_lost")

    async def test_a_silent_service_is_not_waited_for_for_ever(
        self, urls: dict[str, str], services: dict[str, StandIn], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(forwarding, "SILENT_SECONDS", 0.2)
        services["orders"].misbehaviour = "silent"
        async with listening(gateway_app(SERVICES, urls)) as gateway, gateway.client() as client:
            answer = await client.get("/v1/orders")
        assert (answer.status_code, answer.json()["code"]) == (504, "service_silent")

    async def test_half_an_answer_does_not_pass_for_a_whole_one(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        """INVARIANT: without a length only the way an answer ends says whether it is complete."""
        services["orders"].misbehaviour = "cut"
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/v1/orders")

    async def test_a_client_who_leaves_in_the_middle_of_a_body_leaves_the_service_too(
        self, gateway: Listening, services: dict[str, StandIn]
    ) -> None:
        """INVARIANT: breaks when half a body is taken for a whole one, or a service waits for the rest for ever."""
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /v1/orders HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        async with asyncio.timeout(10):
            await services["orders"].reached.wait()
            writer.close()
            await services["orders"].left.wait()


class TestStream:
    async def test_events_arrive_while_the_stream_goes_on(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        async with asyncio.timeout(10), client.stream("GET", "/v1/inbox/stream") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            pieces = stream.aiter_raw()
            seen = b""
            for piece in (b"id: 1\ndata: a\n\n", b"id: 2\nda", b"ta: b\n\n"):
                services["notify"].pieces.put_nowait(piece)
                while not seen.endswith(piece):
                    seen += await anext(pieces)
        assert seen.endswith(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n")

    async def test_whoever_leaves_is_gone_for_the_service_too(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        services["notify"].pieces.put_nowait(b"data: a\n\n")
        async with asyncio.timeout(10):
            async with client.stream("GET", "/v1/inbox/stream") as stream:
                await anext(stream.aiter_raw())
            await services["notify"].left.wait()

    async def test_streams_end_when_the_gateway_stops(
        self, gateway: Listening, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        services["notify"].pieces.put_nowait(b"data: a\n\n")
        async with asyncio.timeout(5), client.stream("GET", "/v1/inbox/stream") as stream:
            pieces = stream.aiter_raw()
            await anext(pieces)
            gateway.stop.set()
            assert [piece async for piece in pieces]
            await gateway.running
        await services["notify"].left.wait()


class TestOwn:
    async def test_one_service_that_is_away_does_not_take_the_gateway_away(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        """INVARIANT: whoever takes the gateway out of service for one of five takes the other four with it."""
        assert (await client.get("/readyz")).json()["status"] == "ready"
        services["notify"].ready = 503
        degraded = await client.get("/readyz")
        assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
        states = degraded.json()["services"]
        assert (states["notify"], states["orders"]) == ("away", "ready")
        for service in services.values():
            service.ready = 503
        assert (await client.get("/readyz")).status_code == 503

    async def test_counts_requests_by_route(self, client: httpx.AsyncClient) -> None:
        await client.get("/v1/orders/018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f")
        assert 'route="/v1/orders/{id}"' in (await client.get("/metrics")).text

    async def test_the_document_has_the_routes_of_all(self, client: httpx.AsyncClient) -> None:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {path for _, _, path in ROUTES} <= paths.keys()

    async def test_the_document_is_shown_to_whom_a_service_shows_its_own(
        self, client: httpx.AsyncClient, services: dict[str, StandIn]
    ) -> None:
        """INVARIANT: the gateway has no key, and must not open what the services close."""
        services["customer"].status = 401
        answer = await client.get("/openapi.json")
        assert answer.status_code == 401
        assert "paths" not in answer.json()
