"""Makes one ASGI application of the routers of one to five services; opens and starts nothing but its loop's watch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Lifespan

from shared.context import Context
from shared.errors import ForewarnError, NotFound, Unreadable
from shared.http.auth import ROLES, TokenVerifier, requires
from shared.http.edge import TRACE_ID, Edge
from shared.http.health import Check, database_check, health_router
from shared.http.introspection import methods_of, routes_of
from shared.http.metrics import watch_loop
from shared.http.openapi import complete
from shared.http.problems import MethodNotAllowed, invalid, problem
from shared.http.routing import RouteIndex, guarded

TITLE: Final = "Forewarn"
VERSION: Final = "1"


def create_app(
    *,
    routers: Sequence[APIRouter],
    contexts: Mapping[str, Context],
    verifier: TokenVerifier,
    checks: Mapping[str, Check] | None = None,
    bus: Check | None = None,
) -> FastAPI:
    """The app of the services in `contexts`; `/readyz` asks their databases, or what `checks` has in their place."""
    databases = {name: database_check(context) for name, context in contexts.items()}
    health = health_router({**databases, **(checks or {})}, bus)
    app = assemble([*guarded([*routers, health, _document_router()])], watched)
    app.state.contexts = dict(contexts)
    app.state.verifier = verifier
    app.state.ingests = {}
    return app


def create_ops_app(checks: Mapping[str, Check], bus: Check | None = None) -> FastAPI:
    """The app of a process that serves nobody but its operators: health and metrics."""
    return assemble([*guarded([health_router(checks, bus)])], watched)


def assemble(routes: Sequence[APIRoute], lifespan: Lifespan[FastAPI]) -> FastAPI:
    """The app of these routes, with the problems and the one middleware that all our apps have."""
    app = _App(
        title=TITLE,
        version=VERSION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.routes[:] = [RouteIndex(routes), *routes]
    app.add_middleware(Edge)
    app.add_exception_handler(ForewarnError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), routes_of(self))
        return self.openapi_schema


@contextlib.asynccontextmanager
async def watched(_: FastAPI) -> AsyncIterator[None]:
    """Lifespan of an app: the lag of its event loop is measured."""
    watch = asyncio.create_task(watch_loop(), name="loop-lag")
    try:
        yield
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def _document_router() -> APIRouter:
    router = APIRouter(include_in_schema=False, dependencies=[requires(*ROLES)])

    @router.get("/openapi.json")
    async def openapi(request: Request) -> dict[str, Any]:
        document: dict[str, Any] = request.app.openapi()
        return document

    return router


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ForewarnError)
    return problem(error, request.scope[TRACE_ID])


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Parameters of path, query and headers; bodies are parsed by `shared.http.inputs`."""
    assert isinstance(error, RequestValidationError)
    return problem(invalid(error.errors(), skip=1), request.scope[TRACE_ID])


async def _on_http(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    headers: Mapping[str, str] | None = None
    if error.status_code == 404:
        found: ForewarnError = NotFound("not_found", "There is nothing under this path.")
    elif error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request)))
        headers = {"Allow": allowed}
        found = MethodNotAllowed("method_not_allowed", f"Methods of this path: {allowed}.")
    elif error.status_code < 500:
        found = Unreadable("bad_request", "This request cannot be read.")
    else:
        raise error
    return problem(found, request.scope[TRACE_ID], headers)


def _methods(request: Request) -> set[str]:
    matching = (route for route in routes_of(request.app) if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in matching for method in methods_of(route)}
