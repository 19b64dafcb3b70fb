"""What routes are handed of their service: its context, and a unit of work that commits before the answer is sent."""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from fastapi import Depends, Request

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork


@cache
def context(service: str) -> Any:
    """Dependency: what the service has at hand, `here: Annotated[Context, context("orders")]`."""

    async def get(request: Request) -> Context:
        return context_of(request, service)

    return Depends(get)


@cache
def unit_of_work(service: str) -> Any:
    """Dependency: one transaction of the service, `unit: Annotated[UnitOfWork, unit_of_work("orders")]`.

    Scope `function`: with FastAPI's default scope the commit would come after the answer, and a failing commit
    would have been answered 200.
    """

    async def open_unit(request: Request) -> AsyncIterator[UnitOfWork]:
        async with context_of(request, service).database.unit_of_work() as unit:
            yield unit

    return Depends(open_unit, scope="function")


def context_of(request: Request, service: str) -> Context:
    """The context of one of the services this app serves, for hot routes that open their own units."""
    contexts: dict[str, Context] = request.app.state.contexts
    return contexts[service]
