"""What can be asked of an app and its routes: which there are, their methods, everything they depend on."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute


def routes_of(app: FastAPI) -> list[APIRoute]:
    """The routes of an app, in the order in which they are tried."""
    return [route for route in app.routes if isinstance(route, APIRoute)]


def methods_of(route: APIRoute) -> set[str]:
    """The methods a route answers."""
    return route.methods or set()


def dependants_of(route: APIRoute) -> Iterator[Dependant]:
    """The route's function and everything it depends on, however deep."""
    return _flat(route.dependant)


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for part in dependant.dependencies:
        yield from _flat(part)
