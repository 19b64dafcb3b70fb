"""A load generator that costs little: raw HTTP/1.1 over kept connections, closed loop, in a process of its own."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What came out of one run."""

    requests: int
    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile(self, percent: int) -> float:
        """Seconds."""
        return quantiles(self.latencies, n=100)[percent - 1]


class Client:
    """One connection. Answers other than 2xx end the benchmark: a refused request is no work."""

    def __init__(self, url: str, token: str) -> None:
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port
        self._common = f"Host: {self._host}\r\nAuthorization: Bearer {token}\r\n"

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\n{self._common}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(f"{head}\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        content = await self._reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{method} {path}: {answer[:60]!r} {content[:300]!r}")
        return content

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def closed_loop(
    url: str, token: str, *, connections: int, count: int, method: str, path: str, body: Callable[[int], bytes]
) -> Load:
    """Send `count` requests over so many connections, each sending its next when the last was answered."""
    numbers, latencies = iter(range(count)), []

    async def work(client: Client) -> None:
        for number in numbers:
            content = body(number)
            began = time.perf_counter()
            await client.request(method, path, content)
            latencies.append(time.perf_counter() - began)

    clients = [Client(url, token) for _ in range(connections)]
    for client in clients:
        await client.open()
    began = time.perf_counter()
    await asyncio.gather(*(work(client) for client in clients))
    seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    return Load(count, seconds, latencies)
