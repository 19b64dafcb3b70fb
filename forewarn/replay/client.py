"""The public API as a replay uses it: bulk rows, sources and beats, repeated until the server is back.

Repeating is safe: documents have natural keys, and a beat that promises less than the last one changes nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from forewarn.api import ApiFailed, content_of
from forewarn.replay.summary import STATUSES
from forewarn.replay.translate import Kind
from shared.events.sources import SourceKind

PATHS: Final[dict[Kind, str]] = {
    "order": "orders",
    "return": "returns",
    "invoice": "invoices",
    "payment": "payments",
    "credit_limit": "credit-limits",
}

AWAY: Final = frozenset({429, 502, 503, 504})
"""Answers that say "later"."""

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 5.0


class ReplayFailed(ApiFailed):
    """A run that ends early; what was answered by then stays."""

    next_line: int | None = None
    """First line that may not have been answered: where `--from-line` can go on."""


@dataclass(frozen=True, slots=True)
class Row:
    """The API's answer to one document."""

    status: str
    code: str = ""
    message: str = ""


class ReplayClient:
    """Speaks to one installation. `http` carries base URL and token."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        backfill: bool = False,
        give_up_after: float = 120.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._headers = {"Content-Type": "application/json"} | ({"Forewarn-Backfill": "true"} if backfill else {})
        self._give_up_after = give_up_after
        self._sleep = sleep
        self._monotonic = monotonic
        self.retries = 0

    async def submit(self, kind: Kind, rows: Sequence[dict[str, Any]]) -> list[Row]:
        """One answer per row, in order."""
        answer = await self._send("POST", f"/v1/{PATHS[kind]}/bulk", rows)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or len(results) != len(rows):
            raise ReplayFailed("unexpected_answer", f"{PATHS[kind]}: the answer does not account for every row.")
        return [_row(result) for result in results]

    async def register(self, rows: Sequence[dict[str, Any]]) -> None:
        """Register customers; those known with the same particulars stay as they are."""
        await self._send("POST", "/v1/customers/bulk", rows)

    async def warnings(self) -> list[dict[str, Any]]:
        """Every warning that was not taken back, newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self._send("GET", f"/v1/warnings?limit=500{cursor}", None)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def declare(self, source: str, of: SourceKind) -> None:
        """Say that this source speaks for the customers it names, and beats by itself."""
        await self._send("PUT", _path(source, of), {"coverage": "named", "rhythm_hours": None})

    async def beat(self, source: str, of: SourceKind, complete_until: datetime) -> None:
        """Promise that everything of this kind before `complete_until` was answered."""
        await self._send("POST", f"{_path(source, of)}/beats", {"complete_until": complete_until.isoformat()})

    async def _send(self, method: str, path: str, body: Any) -> Any:
        content, wait = None if body is None else msgspec.json.encode(body), FIRST_WAIT
        failed_at: float | None = None
        while True:
            try:
                answer = await self._http.request(method, path, content=content, headers=self._headers)
            except httpx.TransportError as error:
                asked, trouble = None, f"cannot be reached ({type(error).__name__})"
            else:
                if answer.status_code not in AWAY:
                    return _content(path, answer)
                asked, trouble = _retry_after(answer), f"answers {answer.status_code}"
            now = self._monotonic()
            failed_at = now if failed_at is None else failed_at
            if now - failed_at >= self._give_up_after:
                raise ReplayFailed("server_away", f"The server {trouble}, for {self._give_up_after:.0f} s now.")
            self.retries += 1
            await self._sleep(wait if asked is None else asked)
            wait = min(2 * wait, LONGEST_WAIT)


def _path(source: str, of: SourceKind) -> str:
    return f"/v1/sources/{quote(source, safe='')}/{of}"


def _content(path: str, answer: httpx.Response) -> Any:
    try:
        return content_of(path, answer)
    except ApiFailed as error:
        raise ReplayFailed(error.code, error.message) from None


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds the server asks for; a date or nonsense is not worth reading."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isascii() and text.isdigit() else None


def _row(result: Any) -> Row:
    status = result.get("status") if isinstance(result, dict) else None
    if status == "refused":
        return Row("refused", str(result.get("code", "refused")), str(result.get("message", "")))
    if status not in STATUSES:
        raise ReplayFailed("unexpected_answer", "A row is answered in a way this version does not know.")
    return Row(status)
