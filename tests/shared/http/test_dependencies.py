"""The unit of work of a request: one, committed before the answer."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter

from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Conflict, Unavailable
from shared.http.auth import requires
from shared.http.dependencies import context, unit_of_work
from shared.ids import Uuid7Ids
from shared.settings import Settings
from tests.shared.http.orders import make_app, token

router = APIRouter(prefix="/v1/things", tags=["orders"], dependencies=[requires("admin")])

Unit = Annotated[UnitOfWork, unit_of_work("orders")]


class Ledger(Database):
    """Stands in for the database: writes down what happens to its units, and can fail to commit."""

    def __init__(self, fails_with: Exception | None = None) -> None:
        super().__init__("", clock=SystemClock(), ids=Uuid7Ids())
        self.fails_with = fails_with
        self.happened: list[str] = []

    @contextlib.asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """A unit without connection."""
        self.happened.append("begin")
        try:
            yield UnitOfWork(None, now=SystemClock().now(), ids=Uuid7Ids())  # type: ignore[arg-type]
        except BaseException:
            self.happened.append("rollback")
            raise
        if self.fails_with is not None:
            raise self.fails_with
        self.happened.append("commit")


@router.post("")
async def make(first: Unit, second: Unit) -> dict[str, bool]:
    """Takes the unit twice."""
    return {"same": first is second}


@router.post("/refused")
async def refuse(_: Unit) -> None:
    """Finds something against it."""
    raise Conflict("in_use", "It is in use.")


@router.get("/name")
async def name(here: Annotated[Context, context("orders")]) -> str:
    """The service's name."""
    return here.service


async def call(ledger: Ledger, method: str, path: str) -> httpx.Response:
    """Answer of the app, noting in the ledger when it begins."""
    here = Context("orders", ledger, Settings(), SystemClock(), Uuid7Ids())
    app = make_app({"orders": here}, (router,))

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_note(message: Any) -> None:
            if message["type"] == "http.response.start":
                ledger.happened.append(f"answer {message['status']}")
            await send(message)

        await app(scope, receive, send_and_note)

    headers = {"authorization": f"Bearer {token('anna', 'admin')}"}
    transport = httpx.ASGITransport(app=watched)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        return await client.request(method, path)


class TestUnitOfWork:
    async def test_commit_comes_before_the_answer(self) -> None:
        """INVARIANT: with FastAPI's default scope a client would hear of success before there is any."""
        ledger = Ledger()

        answer = await call(ledger, "POST", "/v1/things")

        assert ledger.happened == ["begin", "commit", "answer 200"]
        assert answer.json() == {"same": True}

    @pytest.mark.parametrize(
        ("error", "status"), [(Unavailable("database_unavailable", "Away."), 503), (RuntimeError("disk"), 500)]
    )
    async def test_failing_commit_is_never_answered_as_success(self, error: Exception, status: int) -> None:
        """INVARIANT: what was answered 2xx is durable."""
        ledger = Ledger(fails_with=error)

        await call(ledger, "POST", "/v1/things")

        assert ledger.happened == ["begin", f"answer {status}"]

    async def test_refused_request_is_rolled_back(self) -> None:
        ledger = Ledger()

        answer = await call(ledger, "POST", "/v1/things/refused")

        assert ledger.happened == ["begin", "rollback", "answer 409"]
        assert answer.json()["code"] == "in_use"


class TestContext:
    async def test_route_gets_the_context_of_its_service(self) -> None:
        assert (await call(Ledger(), "GET", "/v1/things/name")).json() == "orders"
