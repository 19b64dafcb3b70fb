"""The second pass: sends a file in chunks, several at a time, and beats for what was answered without a gap."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

from forewarn.replay.client import ReplayClient, ReplayFailed
from forewarn.replay.lines import Refused, read_lines
from forewarn.replay.plan import Plan
from forewarn.replay.submission import submit
from forewarn.replay.summary import Summary
from forewarn.replay.translate import Document, Options, Translator
from shared.clock import Clock
from shared.events.sources import SourceKind


@dataclass
class _Chunk:
    index: int
    last_line: int
    documents: list[Document] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def add(self, found: Document | Refused) -> None:
        if isinstance(found, Refused):
            self.refused.append(found)
        else:
            self.documents.append(found)


class Replay:
    """One run over one file."""

    def __init__(
        self,
        path: Path,
        plan: Plan,
        options: Options,
        client: ReplayClient,
        clock: Clock,
        *,
        in_flight: int = 4,
        progress: Callable[[int], None] = lambda _line: None,
    ) -> None:
        self._path = path
        self._plan = plan
        self._options = options
        self._client = client
        self._clock = clock
        self._in_flight = in_flight
        self._progress = progress
        self._next_line = plan.first
        self._promised: dict[SourceKind, datetime] = {}
        self.summary = Summary()

    async def run(self) -> Summary:
        """Send everything. Raises `ReplayFailed`; what was answered by then stays, and the run can be repeated."""
        started = time.monotonic()
        translator = Translator(self._options)
        sent: deque[tuple[_Chunk, asyncio.Task[None]]] = deque()
        try:
            for of in self._plan.beats.kinds:
                await self._client.declare(self._options.source, of)
            for chunk in self._chunks(translator):
                sent.append((chunk, asyncio.create_task(self._send(chunk), name=f"chunk-{chunk.index}")))
                if len(sent) >= self._in_flight:
                    await self._finish(*sent.popleft())
            while sent:
                await self._finish(*sent.popleft())
        except ReplayFailed as error:
            error.next_line = self._next_line
            raise
        finally:
            for _, task in sent:
                task.cancel()
            await asyncio.gather(*(task for _, task in sent), return_exceptions=True)
            self.summary.ignored_fields = dict(translator.ignored)
            self.summary.retries = self._client.retries
            self.summary.seconds = time.monotonic() - started
        return self.summary

    def _chunks(self, translator: Translator) -> Iterator[_Chunk]:
        lines = read_lines(self._path, first=self._plan.first)
        for index, group in groupby(lines, key=lambda line: self._plan.chunk_of(line.line)):
            chunk = _Chunk(index, 0)
            for line in group:
                if line.line > self._plan.last:
                    break
                chunk.last_line = line.line
                chunk.add(line if isinstance(line, Refused) else translator.translate(line))
            if chunk.last_line:
                yield chunk

    async def _send(self, chunk: _Chunk) -> None:
        for document, row in await submit(self._client, chunk.documents):
            if row.status == "refused":
                self.summary.refuse(Refused(document.line, row.code, row.message))
            else:
                self.summary.answer(row.status)

    async def _finish(self, chunk: _Chunk, task: asyncio.Task[None]) -> None:
        """Chunks are finished in their order, so whatever a beat covers was answered."""
        await task
        for refused in chunk.refused:
            self.summary.refuse(refused)
        self.summary.read += len(chunk.refused) + len(chunk.documents)
        for of, until in self._plan.beats.after(chunk.index).items():
            await self._promise(of, min(until, self._clock.now()))
        self._next_line = chunk.last_line + 1
        self._progress(chunk.last_line)

    async def _promise(self, of: SourceKind, until: datetime) -> None:
        promised = self._promised.get(of)
        if promised is None or until > promised:
            await self._client.beat(self._options.source, of, until)
            self._promised[of] = until
