"""Whether the process is alive, whether what it needs answers, and its metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.context import Context

PATIENCE_SECONDS: Final = 1.0

Check = Callable[[], Awaitable[object]]
"""Ends well if what it asks is there, raises or takes too long otherwise."""

log = structlog.get_logger(__name__)


def database_check(context: Context) -> Check:
    """The service's database answers."""

    async def ask() -> None:
        pool = await context.database.pool()
        await pool.fetchval("SELECT 1")

    return ask


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """`/healthz`, `/readyz` with the state of each check, `/metrics`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def alive() -> Response:
        return _json({"status": "alive"}, 200)

    @router.get("/readyz")
    async def ready() -> Response:
        answers = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
        is_ready = all(answers)
        states = {name: "ready" if answer else "away" for name, answer in zip(checks, answers, strict=True)}
        return _json({"status": "ready" if is_ready else "away", "services": states}, 200 if is_ready else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


async def _ask(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, we are not ready
        log.warning("not_ready", check=name, error=type(error).__name__)
        return False
    return True


def _json(content: object, status: int) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
