"""The gateway's routes, which are those of all services, and its own: health, metrics, the one API document."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Final

import httpx
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from forewarn.gateway.forwarding import Forward, new_client
from shared.errors import Unavailable
from shared.http.app import assemble, watched
from shared.http.health import State, any_serves, health_router
from shared.http.routing import guarded
from shared.runtime.service import Service

DOCUMENT: Final = "/openapi.json"


def gateway_app(services: Sequence[Service], urls: Mapping[str, str]) -> FastAPI:
    """The app that sends requests on to the services at `urls`."""
    client = new_client()
    forwarded = [route for service in services for route in _routes(service, urls[service.name])]
    asked = {service.name: partial(_ask, client, urls[service.name]) for service in services}
    health = health_router(asked, verdict=any_serves)
    app = assemble([*forwarded, *guarded([health, _document_router(urls)])], _lifespan)
    app.state.client = client
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    client: httpx.AsyncClient = app.state.client
    async with client, watched(app):
        yield


def _routes(service: Service, url: str) -> list[APIRoute]:
    """The routes of a service with the service itself behind them: it alone checks what is sent and who sends it."""
    forward, routes = Forward(service.name, url), list(guarded(service.routers))
    for route in routes:
        route.app = forward
    return routes


def _document_router(urls: Mapping[str, str]) -> APIRouter:
    """The document of all routes together, for whom a service would show its own: the gateway has no key to tell."""
    router = APIRouter(include_in_schema=False)

    @router.get(DOCUMENT)
    async def openapi(request: Request) -> Response:
        client: httpx.AsyncClient = request.app.state.client
        headers = {name: value for name, value in request.headers.items() if name == "authorization"}
        for url in urls.values():
            with contextlib.suppress(httpx.TransportError):
                answer = await client.get(url + DOCUMENT, headers=headers)
                if answer.is_success:
                    return JSONResponse(request.app.openapi())
                return Response(answer.content, answer.status_code, dict(answer.headers))
        raise Unavailable("service_away", "No service is there that knows who may see this.", retry_after=1)

    return router


async def _ask(client: httpx.AsyncClient, url: str) -> State:
    answer = (await client.get(f"{url}/readyz")).raise_for_status()
    return "degraded" if answer.json().get("status") == "degraded" else "ready"
