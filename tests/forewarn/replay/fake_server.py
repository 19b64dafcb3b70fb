"""The public API as far as replay uses it, in memory behind an `httpx.MockTransport`; can be made to fail."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

KIND_OF = {"orders": "order", "returns": "order", "invoices": "invoice", "payments": "payment"}
TIME_OF = {"orders": "placed_at", "returns": "returned_at", "invoices": "issued_at", "payments": "received_at"}

Failure = Callable[[httpx.Request], httpx.Response | None]


class FakeServer:
    """Keeps documents by natural key; notes every beat that was broken by a later document."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.declared: dict[str, Any] = {}
        self.beats: dict[str, datetime] = {}
        self.beat_count = 0
        self.broken: list[str] = []
        self.requests: Counter[str] = Counter()
        self.failures: list[Failure] = []
        """Each takes the next request and may answer in place of the server, or raise."""

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url="http://server", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests[f"{request.method} {request.url.path}"] += 1
        if self.failures and (failed := self.failures.pop(0)(request)) is not None:
            return failed
        return self.serve(request)

    def serve(self, request: httpx.Request) -> httpx.Response:
        body, parts = json.loads(request.content), request.url.path.split("/")
        if parts[2] != "sources":
            return httpx.Response(200, json={"results": [self._take(parts[2], row) for row in body]})
        if request.method == "PUT":
            self.declared[parts[4]] = body
        else:
            self.beat_count += 1
            self.beats[parts[4]] = datetime.fromisoformat(body["complete_until"])
        return httpx.Response(200, json={})

    def _take(self, path: str, row: dict[str, Any]) -> dict[str, Any]:
        key, content = (path, row["number"]), row
        if row["customer"]["external_id"] == "BAD":
            return {"status": "refused", "code": "customer_blocked", "message": "No."}
        if self.documents.setdefault(key, content) is not content:
            return {"status": "duplicate"}
        if path in KIND_OF and (promised := self.beats.get(KIND_OF[path])) is not None:
            at = datetime.fromisoformat(row[TIME_OF[path]])
            self.broken += [f"{path}/{row['number']}"] if at < promised else []
        return {"status": "accepted"}


def lost_answer(server: FakeServer) -> Failure:
    """The server does the work and dies before it can say so."""

    def fail(request: httpx.Request) -> httpx.Response:
        server.serve(request)
        raise httpx.ReadError("connection lost")

    return fail


def passes(_request: httpx.Request) -> None:
    """Lets one request through."""


def refused_connection(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def status(code: int, **headers: str) -> Failure:
    return lambda _request: httpx.Response(code, headers=headers, json={"code": "because", "detail": "so it is"})
