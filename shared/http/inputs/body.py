"""How a route says what it reads: a model, once or per row, in which media types and up to which size.

The app enforces type and size before the route runs, and documents the model, which FastAPI does not see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from shared.http.inputs.model import Input
from shared.http.inputs.parsing import JSON, NDJSON, parse_body

MAX_BYTES: Final = 1024 * 1024
MAX_BULK_BYTES: Final = 32 * 1024 * 1024

Route = TypeVar("Route", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Reads:
    """What the body of a route is."""

    model: type[Input]
    bulk: bool = False

    @property
    def max_bytes(self) -> int:
        return MAX_BULK_BYTES if self.bulk else MAX_BYTES

    @property
    def media_types(self) -> tuple[str, ...]:
        return (JSON, *NDJSON) if self.bulk else (JSON,)


def reads(model: type[Input], *, bulk: bool = False) -> Callable[[Route], Route]:
    """Decorator below `@router.post`: the route reads `await request.body()` and parses it as `model` itself."""

    def mark(route: Route) -> Route:
        setattr(route, _MARK, Reads(model, bulk))
        return route

    return mark


def body(model: type[Input]) -> Any:
    """Dependency for routes that are not hot: `change: Annotated[Change, body(Change)]`."""
    return Depends(_Body(model))


def reads_of(route: APIRoute) -> Reads | None:
    """What a route has said it reads."""
    marked: Reads | None = getattr(route.endpoint, _MARK, None)
    if marked is not None:
        return marked
    found = (part.call for part in route.dependant.dependencies)
    return next((Reads(call.model) for call in found if isinstance(call, _Body)), None)


class _Body:
    def __init__(self, model: type[Input]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> Input:
        return parse_body(self.model, await request.body())


_MARK: Final = "__forewarn_reads__"
