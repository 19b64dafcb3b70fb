"""Finds the route of a request without trying all of them, and gives each its guard and its name.

With five services in one process there are some hundred routes; trying them one by one costs more than a hot handler.
"""

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from shared.http.auth import Requirement
from shared.http.guards import Guard
from shared.http.introspection import methods_of


class RouteIndex(BaseRoute):
    """Stands first among the routes of an app: tries only those that begin like the path.

    What it does not find is left to the routes behind it, which tell an unknown path from a wrong method.
    """

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._routes: dict[tuple[str, str], list[APIRoute]] = defaultdict(list)
        for route in routes:
            for method in methods_of(route):
                self._routes[method, _beginning(route.path)].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route that takes this request."""
        if scope["type"] == "http":
            for route in self._routes.get((scope["method"], _beginning(scope["path"])), ()):
                match, child = route.matches(scope)
                if match is Match.FULL:
                    return match, child
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        await scope["route"].handle(scope, receive, send)


def guarded(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """Copies of the routes of the routers, each behind its guard and named after its service."""
    for router in routers:
        for original in router.routes:
            if not isinstance(original, APIRoute):
                raise TypeError(f"{original!r} is not a route; list routers in a service, do not nest them")
            if original.body_field is not None:
                raise TypeError(f"{original.path}: read the body with shared.http.inputs; FastAPI's way makes floats")
            # Who is calling is asked before anything he sent is read, in whatever order a route names the two.
            original.dependant.dependencies.sort(key=lambda part: not isinstance(part.call, Requirement))
            route = copy.copy(original)
            service = _service(original)
            route.app = Guard(original.app, original)
            route.operation_id = f"{service}_{original.name}"
            route.tags = original.tags or [service]
            yield route


def _beginning(path: str) -> str:
    """The first two segments, which routes of one resource share: `/v1/orders`."""
    return "/".join(path.split("/", 3)[:3])


def _service(route: APIRoute) -> str:
    """`orders` for what is in `services.orders` or tagged so."""
    if route.tags:
        return str(route.tags[0])
    parts = route.endpoint.__module__.split(".")
    return parts[1] if parts[0] == "services" and len(parts) > 1 else parts[-1]
