"""What the sources tell, fixed by the seed before anything runs. When and how often it is told is not its business."""

import random
from dataclasses import dataclass, field

from tests.protocol_model.snapshots import CUSTOMERS, SOURCES, TOPIC, beat_id

Fields = dict[str, object]


@dataclass(frozen=True)
class Command:
    """A request of a source; the same key is the same request."""

    key: str
    document: str
    kind: str
    source: str
    fields: Fields


@dataclass(frozen=True)
class Stride:
    """Some days of a source: commands of one phase run at once, phases follow one another, the beat comes last."""

    phases: tuple[tuple[Command, ...], ...]
    beat: Command


@dataclass
class Stream:
    """Everything one source delivers of one kind."""

    source: str
    kind: str
    strides: list[Stride] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return TOPIC[self.kind]


@dataclass(frozen=True)
class Story:
    streams: list[Stream]
    links: list[tuple[float, Command]]
    """Merges and unmerges, each with the pause before it."""


def tell(seed: int, days: int) -> Story:
    """Half of the stories amend what a beat has already covered; a third have no links."""
    rng = random.Random(f"story {seed}")
    late = rng.random() < 0.5
    streams = [
        _Author(rng, source, kind, late, days).write() for kind, sources in SOURCES.items() for source in sources
    ]
    return Story(streams, _links(rng))


class _Author:
    """Remembers the business day of each document, to know what an amendment may still touch."""

    def __init__(self, rng: random.Random, source: str, kind: str, late: bool, days: int) -> None:
        self._rng = rng
        self._late = late
        self._until = days
        self._days: dict[str, int] = {}
        self._stream = Stream(source, kind)
        self._keys = 0

    def write(self) -> Stream:
        covered = -1
        while covered < self._until:
            until = covered + self._rng.randint(3, 6)
            first = tuple(self._new(covered, until) for _ in range(self._rng.choice((0, 1, 1, 2))))
            amendments = [a for _ in range(self._rng.choice((0, 1, 1, 2, 3))) if (a := self._amendment(covered))]
            last = [self._new(covered, until) for _ in range(self._rng.choice((0, 0, 1, 1)))]
            beat = self._command(beat_id(self._stream.source, self._stream.kind), {"at": until}, "beat")
            half = len(amendments) // 2
            phases = (first, tuple(amendments[:half]), (*amendments[half:], *last))
            self._stream.strides.append(Stride(phases, beat))
            covered = until
        return self._stream

    def _new(self, covered: int, until: int) -> Command:
        rng = self._rng
        at = rng.randint(covered + 1, until)
        if rng.random() < 0.15:
            at += rng.randint(1, 6)
        elif self._late and rng.random() < 0.15:
            at = max(0, at - rng.randint(1, 15))
        number = f"{self._stream.kind}-{self._stream.source}-{len(self._days)}"
        self._days[number] = at
        sold = rng.choice(CUSTOMERS)
        bill = rng.choice(CUSTOMERS) if rng.random() < 0.35 else sold
        return self._command(number, {"sold": sold, "bill": bill, "at": at, "amount": rng.randint(1, 99)})

    def _amendment(self, covered: int) -> Command | None:
        rng = self._rng
        open_ones = [number for number, day in self._days.items() if self._late or day > covered]
        if not open_ones:
            return None
        number = rng.choice(open_ones)
        what = rng.choice(("live", "live", "at", "at", "sold", "sold", "bill", "amount"))
        if what == "live":
            return self._command(number, {"live": rng.random() < 0.3})
        if what == "amount":
            return self._command(number, {"amount": rng.randint(1, 99)})
        if what == "at":
            earliest = 0 if self._late else covered + 1
            self._days[number] = max(earliest, self._days[number] + rng.randint(-9, 9))
            return self._command(number, {"at": self._days[number]})
        return self._command(number, {what: rng.choice(CUSTOMERS)})

    def _command(self, document: str, fields: Fields, kind: str | None = None) -> Command:
        self._keys += 1
        stream = self._stream
        key = f"{stream.kind}-{stream.source}#{self._keys}"
        return Command(key, document, kind or stream.kind, stream.source, fields)


def _links(rng: random.Random) -> list[tuple[float, Command]]:
    found: list[tuple[float, Command]] = []
    early = rng.random() < 0.4
    for number in range(rng.choice((0, 1, 2))):
        absorbed, survivor = rng.sample(CUSTOMERS, 2)
        for turn in range(rng.choice((1, 1, 2, 3))):
            parties: Fields = {"sold": absorbed, "bill": survivor, "live": turn % 2 == 0}
            pause = 0.0 if early and turn == 0 else rng.uniform(20, 500)
            found.append((pause, Command(f"link#{number}.{turn}", f"link-{number}", "link", "staff", parties)))
    return found
