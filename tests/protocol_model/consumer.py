"""The consumer of one partition: C1's cursor around the effects, C3's way past what cannot be read."""

from collections.abc import Generator

from tests.protocol_model.bus import Place, Record
from tests.protocol_model.database import Transaction
from tests.protocol_model.effects import Application, Batch, Stale
from tests.protocol_model.snapshots import IDLE, Snapshot, Steps
from tests.protocol_model.store import NOBODY, Letter, LetterKey
from tests.protocol_model.world import World

LIMIT = 6
Claim = Generator[str, None, bool]


class Consumer:
    """One process. What it remembers is lost with it; only the store counts."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._safe = world.safeguards
        self._place = place
        self._position = self._hint()
        self._honest = True
        self._hole: tuple[int, int] | None = None
        self._accepted_holes: set[tuple[int, int]] = set()

    def run(self) -> Steps:
        while True:
            records = self._fetch()
            yield "fetched"
            if not records:
                self._position = self._cursor()
                yield IDLE
                continue
            try:
                yield from self._take(records)
            except Stale:
                self._position = self._cursor()

    def _cursor(self) -> int:
        return self._world.store.cursors.rows.get(self._place, 0)

    def _hint(self) -> int:
        """Kafka's committed offset: somewhere near the cursor, before or behind it."""
        wrong = self._world.rng.random() < self._world.faults.wrong_hint
        return max(0, self._cursor() + (self._world.rng.randint(-3, 3) if wrong else 0))

    def _fetch(self) -> list[Record]:
        """A faulty client may leave records out, but not twice running."""
        records = self._world.bus.fetch(self._place, self._position, LIMIT)
        self._honest = not (self._honest and self._world.rng.random() < self._world.faults.swallowed_fetch)
        if not self._honest and records:
            self._world.counts["swallowed fetches"] += 1
            first = self._world.rng.randrange(len(records))
            del records[first : first + 2]
        return records

    def _take(self, records: list[Record]) -> Steps:
        """The cursor moves with the effects; the two removed safeguards move it before or after them."""
        asked, end = self._position, records[-1].offset + 1
        if not self._safe.cursor_not_before_effects and not (yield from self._claim(records)):
            return
        with self._world.store.database.begin() as tx:
            before = self._safe.cursor_not_before_effects
            if before and self._safe.cursor_lock:
                yield from tx.lock("cursor", *map(str, self._place))
            start = tx.get(self._world.store.cursors, self._place) or 0
            if before and not self._follows(records, asked, start):
                self._position = start
                return
            yield from self._apply(tx, records)
            if before and self._safe.cursor_with_effects:
                yield from self._move(tx, start, end)
            tx.commit()
        self._position = end
        if before and not self._safe.cursor_with_effects:
            yield "effects committed"
            with self._world.store.database.begin() as tx:
                yield from self._move(tx, start, end)
                tx.commit()

    def _claim(self, records: list[Record]) -> Claim:
        """The cursor in a transaction of its own, before the effects."""
        with self._world.store.database.begin() as tx:
            yield from tx.lock("cursor", *map(str, self._place))
            start = tx.get(self._world.store.cursors, self._place) or 0
            if not self._follows(records, self._position, start):
                self._position = start
                return False
            yield from self._move(tx, start, records[-1].offset + 1)
            tx.commit()
        yield "cursor moved"
        return True

    def _move(self, tx: Transaction, start: int, end: int) -> Steps:
        if self._safe.cursor_compare_and_set:
            yield from tx.lock("cursor", *map(str, self._place))
            if (tx.get(self._world.store.cursors, self._place) or 0) != start:
                raise Stale
        tx.put(self._world.store.cursors, self._place, end)
        yield "cursor written"

    def _follows(self, records: list[Record], asked: int, start: int) -> bool:
        """Each record follows the one before it. A hole counts as real when a fetch from the cursor shows it twice."""
        if not self._safe.contiguity:
            return True
        expected = start
        for record in records:
            hole = (expected, record.offset)
            if record.offset != expected and hole not in self._accepted_holes:
                if asked != start:
                    return False
                if hole != self._hole:
                    self._hole = hole
                    return False
                self._world.counts["real holes"] += 1
                self._accepted_holes.add(hole)
            expected = record.offset + 1
        self._hole = None
        return True

    def _apply(self, tx: Transaction, records: list[Record]) -> Steps:
        """Letters aside, apply the rest."""
        readable: list[Snapshot] = []
        letters: dict[LetterKey, Letter] = {}
        for record in records:
            poison = self._world.poison.get((record.snapshot.id, record.snapshot.revision))
            if poison is None:
                readable.append(record.snapshot)
                continue
            if not self._safe.poison_passed:
                raise Stale
            key = (*self._place, record.offset)
            if tx.get(self._world.store.letters, key) is None:
                self._world.counts["dead letters"] += 1
                letters[key] = _letter(record, self._place[1], poison)
        batch = Batch(self._place[1], readable, letters)
        yield from Application(self._world, tx, batch).run()


def _letter(record: Record, part: int, poison: str) -> Letter:
    """What is left of the record says whom it concerns: with nothing readable, the whole partition."""
    snapshot = record.snapshot
    if poison == "body":
        beat = snapshot.kind == "beat"
        name = f"{snapshot.id}@{part}" if beat else snapshot.id
        return Letter(record, part, NOBODY if beat else record.key, name, snapshot.version)
    customer = record.key if poison == "header" and record.key else None
    return Letter(record, part, customer, None, snapshot.version)
