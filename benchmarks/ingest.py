"""Orders over HTTP with authentication, single and in bulk, beside a route that does nothing and plain COPY."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import asyncpg
import msgspec
import uvloop

from benchmarks.load import closed_loop
from forewarn.up import PROGRAM
from tests.support.installation import Installation, installation_in
from tests.support.postgres import temporary_data_dir

SINGLES: Final = 12_000
CONNECTIONS: Final = 32
CHUNK: Final = 1000
CHUNKS: Final = 60
SENDERS: Final = 4
COLUMNS: Final = (
    *("id", "kind", "key", "source", "epoch", "revision", "reason"),
    *("party", "at", "currency", "amount", "live", "recorded_at", "data"),
)


def order(number: int) -> dict[str, Any]:
    """One order; every number is new."""
    return {
        "source": "bench",
        "number": f"SO{number:08d}",
        "customer": {"external_id": f"C{number % 5000}"},
        "currency": "CNY",
        "amount": "1234.50",
        "placed_at": "2026-03-01T09:30:00+08:00",
        "lines": 3,
    }


def single(number: int) -> bytes:
    """Body of a single POST."""
    return msgspec.json.encode(order(number))


def chunk(number: int) -> bytes:
    """Body of a bulk POST."""
    first = SINGLES + number * CHUNK
    return msgspec.json.encode([order(first + place) for place in range(CHUNK)])


async def copied(dsn: str) -> float:
    """Rows per second of plain COPY of the rows a bulk writes: a document and an outbox row for each order."""
    connection = await asyncpg.connect(dsn)
    now, data = datetime.now(UTC), b"x" * 230
    documents = [
        (uuid4(), "raw", f"bench/{n}", "bench", 1, 1, "placed", uuid4(), now, "CNY", 123_450, True, now, data)
        for n in range(CHUNK * CHUNKS)
    ]
    outbox = [(n % 12, uuid4(), b"h" * 260, data) for n in range(CHUNK * CHUNKS)]
    await connection.execute("create table raw_document (like document including all)")
    await connection.execute("create table raw_outbox (like outbox including all)")
    began = time.perf_counter()
    for first in range(0, len(documents), CHUNK):
        async with connection.transaction():
            rows = slice(first, first + CHUNK)
            await connection.copy_records_to_table("raw_document", records=documents[rows], columns=COLUMNS)
            await connection.copy_records_to_table(
                "raw_outbox", records=outbox[rows], columns=["part", "key", "headers", "payload"]
            )
    seconds = time.perf_counter() - began
    await connection.execute("drop table raw_document, raw_outbox")
    await connection.close()
    return len(documents) / seconds


async def measure(installation: Installation) -> list[str]:
    """The table."""
    address = installation.address()
    url, token = address["base_url"], address["token"]
    async with asyncio.timeout(300):
        nothing = await closed_loop(
            url, token, connections=CONNECTIONS, count=SINGLES, method="GET", path="/healthz", body=lambda _: b""
        )
        singles = await closed_loop(
            url, token, connections=CONNECTIONS, count=SINGLES, method="POST", path="/v1/orders", body=single
        )
        bulk = await closed_loop(
            url, token, connections=SENDERS, count=CHUNKS, method="POST", path="/v1/orders/bulk", body=chunk
        )
        copy = await copied(installation.server.dsn("orders"))
    rate = bulk.rate * CHUNK
    return [
        f"{'':<28}{'per second':>12}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}",
        _line("GET, a route without work", nothing.rate, None, nothing.percentile(50), nothing.percentile(99)),
        _line(
            "POST, one order", singles.rate, singles.rate / nothing.rate, singles.percentile(50), singles.percentile(99)
        ),
        _line("COPY, document and outbox", copy, None),
        _line("POST, bulk of 1,000", rate, rate / copy, bulk.percentile(50), bulk.percentile(99)),
    ]


def _line(name: str, rate: float, ratio: float | None, p50: float | None = None, p99: float | None = None) -> str:
    shown = f"{name:<28}{rate:>12,.0f}{'' if ratio is None else f'{ratio:.2f}':>8}"
    return shown if p50 is None or p99 is None else f"{shown}{p50 * 1000:>9.1f}{p99 * 1000:>9.1f}"


def main() -> None:
    """Bring an installation up, measure, print."""
    with temporary_data_dir() as data_dir, installation_in(data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        print("\n".join(uvloop.run(measure(installation))))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
