"""What the embedded bus can do, as ratios to plain COPY and SELECT on the same table, server and run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median, quantiles
from typing import Final

import asyncpg
import msgspec

from shared.database.embedded_postgres import EmbeddedPostgres
from shared.messaging.bus import Message
from shared.messaging.embedded_bus import EmbeddedBus
from tests.support.postgres import temporary_data_dir

PARTITIONS: Final = 12
BATCH: Final = 1000
BATCHES: Final = 60
SINGLES: Final = 3000
SENDERS: Final = 32
POLL: Final = 2000
ROUNDS: Final = 3
LATENCIES: Final = 400
PACE_SECONDS: Final = 0.005
RAW_PARTITION: Final = 999
"""A partition the bus does not know, for the baseline."""

HEADERS: Final = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0197a3f0-0000-7000-8000-000000000000"),
    ("ce_source", b"/forewarn/orders"),
    ("ce_type", b"forewarn.order.placed.v1"),
    ("ce_time", b"2026-03-01T08:00:00.000000Z"),
    ("content-type", b"application/json"),
)
MESSAGES: Final = [Message(b"0197a3f0-0000-7000-8000-000000000000", b"v" * 400, HEADERS)] * BATCH


class Bench:
    """One database, one connection for the baselines, one bus."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._bus = EmbeddedBus(dsn)
        self._copied = 0

    async def run(self) -> tuple[dict[str, float], list[float]]:
        """Medians per second by name, and the latencies."""
        await self._bus.create_topics({"bench": PARTITIONS, "latency": 1})
        self._raw = await asyncpg.connect(self._dsn)
        measures: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
            "COPY": (BATCH * BATCHES, self._copy),
            "append, batches": (BATCH * BATCHES, self._append),
            "append, singles": (SINGLES, self._append_singles),
            "SELECT": (BATCH * BATCHES, self._select),
            "consume": (BATCH * BATCHES, self._consume),
        }
        seconds: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(ROUNDS):
            for name, (count, measure) in measures.items():
                started = time.perf_counter()
                await measure()
                seconds[name].append((time.perf_counter() - started) / count)
        latencies = await self._latencies()
        await self._bus.close()
        await self._raw.close()
        return {name: 1 / median(taken) for name, taken in seconds.items()}, latencies

    async def _copy(self) -> None:
        encoded = msgspec.msgpack.encode(HEADERS)
        for _ in range(BATCHES):
            rows = [
                (1, RAW_PARTITION, self._copied + place, message.key, encoded, message.value)
                for place, message in enumerate(MESSAGES)
            ]
            await self._raw.copy_records_to_table("log", records=rows)
            self._copied += BATCH

    async def _append(self) -> None:
        producer = await self._bus.producer()
        for number in range(BATCHES):
            await producer.send("bench", number % PARTITIONS, MESSAGES)
        await producer.close()

    async def _append_singles(self) -> None:
        producer = await self._bus.producer()

        async def send(partition: int) -> None:
            for _ in range(SINGLES // SENDERS):
                await producer.send("bench", partition, MESSAGES[:1])

        await asyncio.gather(*(send(number % PARTITIONS) for number in range(SENDERS)))
        await producer.close()

    async def _select(self) -> None:
        for start in range(0, BATCH * BATCHES, POLL):
            await self._raw.fetch(
                'select "offset", key, headers, value from log where topic = 1 and part = $1 and "offset" >= $2'
                ' order by "offset" limit $3',
                *(RAW_PARTITION, start, POLL),
            )

    async def _consume(self) -> None:
        member = await self._bus.consumer("bench", ["bench"])
        for where in await member.unpositioned():
            member.seek(where, 0)
        count = 0
        while count < BATCH * BATCHES:
            count += len(await member.poll(POLL, 1))
        await member.close()

    async def _latencies(self) -> list[float]:
        producer, member = await self._bus.producer(), await self._bus.consumer("bench", ["latency"])
        for where in await member.unpositioned():
            member.seek(where, 0)
        sent: list[float] = []
        seen: list[float] = []

        async def receive() -> None:
            while len(seen) < LATENCIES:
                records = await member.poll(POLL, 1)
                seen.extend(time.perf_counter() for _ in records)

        receiving = asyncio.create_task(receive())
        for _ in range(LATENCIES):
            sent.append(time.perf_counter())
            await producer.send("latency", 0, MESSAGES[:1])
            await asyncio.sleep(PACE_SECONDS)
        await receiving
        return [after - before for before, after in zip(sent, seen, strict=True)]


LINES: Final = (
    # what, of what, the least ratio
    ("append, batches", "COPY", 0.30),
    ("append, singles", "COPY", 0.10),
    ("consume", "SELECT", 0.20),
)
LATENCY_FLOOR: Final = 0.010
"""p99 from `send` to the end of `poll`."""


def report(rates: dict[str, float], latencies: Sequence[float]) -> list[str]:
    """The table and one line per floor."""
    lines = [f"{'':<18}{'messages/s':>12}{'ratio':>8}"]
    lines += [f"{name:<18}{rate:>12,.0f}" for name, rate in rates.items() if name in ("COPY", "SELECT")]
    ratios = [(name, rates[name] / rates[baseline], baseline, floor) for name, baseline, floor in LINES]
    lines += [f"{name:<18}{rates[name]:>12,.0f}{ratio:>8.2f} of {baseline}" for name, ratio, baseline, _ in ratios]
    cuts = quantiles(latencies, n=100)
    lines.append(f"publish -> poll, p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms")
    lines += [
        f"{'met' if ratio >= floor else 'MISSED'}: {name} >= {floor:.2f} of {baseline}"
        for name, ratio, baseline, floor in ratios
    ]
    lines.append(f"{'met' if cuts[98] <= LATENCY_FLOOR else 'MISSED'}: p99 <= {LATENCY_FLOOR * 1000:.0f} ms")
    return lines


def main() -> None:
    """Start a server that waits for the disk, measure, print."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["bus"])
            print("\n".join(report(*asyncio.run(Bench(server.dsn("bus")).run()))))  # noqa: T201 - the report
        finally:
            server.stop()


if __name__ == "__main__":
    main()
