"""The first pass over a replay file: how much there is, and what may be promised about each kind after each chunk.

A beat promises "everything before this instant was answered" (exclusive, as `shared.events.sources` has it), so
after a chunk it may go up to the earliest time of its kind in the rest of the file, whatever the file's order. When
nothing of a kind is left, the promise ends 1 microsecond behind its latest document: the file shows that the feed
lived until then, and nothing about later days. A payment feed that ends early makes nobody overdue.

Memory: one number per chunk and kind.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from forewarn.replay.lines import Refused, read_lines
from forewarn.replay.translate import Kind, Translator
from shared.events.sources import SOURCE_KINDS, SourceKind

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NEVER: Final = (1 << 63) - 1


class BeatSchedule:
    """What may be promised after each chunk: add every document, `finish`, then ask."""

    def __init__(self) -> None:
        self._earliest: dict[SourceKind, array[int]] = {}
        self._latest: dict[SourceKind, int] = {}

    @property
    def kinds(self) -> tuple[SourceKind, ...]:
        """Kinds a source has to declare and beat for; limits are decisions and come from no feed."""
        return tuple(sorted(self._latest))

    def add(self, chunk: int, kind: Kind, at: datetime) -> None:
        """A document of the file stands in chunk `chunk`."""
        of = SOURCE_KINDS.get(kind)
        if of is None:
            return
        time = (at - _EPOCH) // _MICROSECOND
        earliest = self._earliest.setdefault(of, array("q"))
        if len(earliest) <= chunk:
            earliest.extend([_NEVER] * (chunk + 1 - len(earliest)))
        earliest[chunk] = min(earliest[chunk], time)
        self._latest[of] = max(self._latest.get(of, time), time)

    def finish(self) -> None:
        """All documents were added: from here on, `earliest[i]` is the earliest from chunk i to the end."""
        for earliest in self._earliest.values():
            for chunk in range(len(earliest) - 2, -1, -1):
                earliest[chunk] = min(earliest[chunk], earliest[chunk + 1])

    def after(self, chunk: int) -> dict[SourceKind, datetime]:
        """`complete_until` per kind once this chunk and all before it were answered; it never falls."""
        return {of: _EPOCH + self._until(of, chunk) * _MICROSECOND for of in self.kinds}

    def _until(self, of: SourceKind, chunk: int) -> int:
        earliest = self._earliest[of]
        return earliest[chunk + 1] if chunk + 1 < len(earliest) else self._latest[of] + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What the second pass goes by."""

    first: int
    """Line the run begins with."""
    last: int
    """Last line of the file when it was counted; what is appended later belongs to another run."""
    chunk: int
    """Lines to a chunk."""
    documents: Counter[Kind]
    beats: BeatSchedule

    @property
    def lines(self) -> int:
        """Lines to go through, blank ones included."""
        return max(0, self.last - self.first + 1)

    def chunk_of(self, line: int) -> int:
        """Index of the chunk a line belongs to."""
        return (line - self.first) // self.chunk


def make_plan(
    path: Path,
    translator: Translator,
    *,
    chunk: int,
    first: int = 1,
    progress: Callable[[int], None] = lambda _line: None,
) -> Plan:
    """Go through the file once. Raises `ReplayRefused` for what forbids the whole run."""
    plan = Plan(first, 0, chunk, Counter(), BeatSchedule())
    last = 0
    for line in read_lines(path, first=first):
        found = line if isinstance(line, Refused) else translator.translate(line)
        last = line.line
        if not isinstance(found, Refused):
            plan.documents[found.kind] += 1
            plan.beats.add(plan.chunk_of(last), found.kind, found.at)
        if last % 1000 == 0:
            progress(last)
    plan.beats.finish()
    progress(last)
    return Plan(first, last, chunk, plan.documents, plan.beats)
