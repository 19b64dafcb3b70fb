"""C2 to C4 for one batch in one transaction: markers, locks in their order, new minus held, letters, then judgement."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from tests.protocol_model.database import Transaction
from tests.protocol_model.fence import is_closed, take
from tests.protocol_model.groups import closure, groups_of, root_of
from tests.protocol_model.judgement import Calendar, Horizon, calendar_of, judge
from tests.protocol_model.oracle import look_at_a_commit
from tests.protocol_model.snapshots import CUSTOMERS, Snapshot, Steps, customers_of
from tests.protocol_model.store import NEVER, Facts, Letter, LetterKey, contribution
from tests.protocol_model.world import World


class Stale(Exception):
    """What the transaction was built on has moved; roll back and fetch again."""


@dataclass
class Batch:
    """What one transaction applies: snapshots as they came, letters to store, letters a replay resolves."""

    part: int
    snapshots: list[Snapshot]
    letters: dict[LetterKey, Letter] = field(default_factory=dict)
    replayed: list[LetterKey] = field(default_factory=list)


class Application:
    """One batch on its way through the locks."""

    def __init__(self, world: World, tx: Transaction, batch: Batch) -> None:
        self._world = world
        self._safe = world.safeguards
        self._store = world.store
        self._tx = tx
        self._batch = batch
        self._held: dict[str, Snapshot | None] = {}
        self._accepted: list[Snapshot] = []
        self._letters = batch.letters
        self._touched: dict[str, None] = {}

    def run(self) -> Steps:
        """Everything but the cursor, which is the caller's; so is the commit."""
        opened = False
        if not self._batch.replayed or self._safe.letters_pass_the_fence:
            taken = yield from take(self._world, self._tx, self._batch.part, self._batch.snapshots)
            self._batch.snapshots, opened = taken.snapshots, taken.opened
        self._batch.snapshots = self._reduced()
        if opened and self._safe.judged_when_it_opens:
            self._touch(CUSTOMERS)
        if self._safe.alias_lock:
            has_link = any(snapshot.kind == "link" for snapshot in self._batch.snapshots)
            yield from self._tx.lock("alias", shared=not has_link)
        if self._safe.document_lock_first:
            yield from self._lock_documents()
        self._read_held()
        beats, letters = dict(self._store.beats.rows), dict(self._store.letters.rows)
        judged = dict(self._store.judged.rows)
        yield "held read"
        yield from self._lock_customers()
        if not self._safe.document_lock_first:
            self._read_held_again()
        facts = {name: self._tx.get(self._store.facts, name) or Facts() for name in sorted(self._locked())}
        yield "facts read"
        yield from self._write_documents()
        self._write_letters()
        self._write_facts(facts)
        late_beats, late_letters = self._safe.watermark_read_under_row_lock, self._safe.frozen_read_under_row_lock
        horizon = Horizon(
            self._safe,
            self._tx.rows(self._store.beats, None if late_beats else beats),
            self._tx.rows(self._store.letters, None if late_letters else letters),
            self._tx.rows(self._store.judged, None if late_beats else judged),
        )
        self._tx.at_commit(partial(look_at_a_commit, self._world, self._accepted))
        if not is_closed(self._world, self._tx):
            judge(self._world, self._tx, set(self._touched), horizon, self._accepted)
        yield "judged"

    def _reduced(self) -> list[Snapshot]:
        """The highest revision per document."""
        newest: dict[str, Snapshot] = {}
        for snapshot in self._batch.snapshots:
            held = newest.get(snapshot.id)
            if held is None or snapshot.version > held.version or not self._safe.revision_comparison:
                newest[snapshot.id] = snapshot
        return list(newest.values())

    def _name(self, snapshot: Snapshot) -> str:
        """A beat is one document, but held once per partition it came through."""
        by_part = snapshot.kind == "beat" and self._safe.beat_in_every_partition
        return f"{snapshot.id}@{self._batch.part}" if by_part else snapshot.id

    def _lock_documents(self) -> Steps:
        names = [self._name(snapshot) for snapshot in self._batch.snapshots]
        names += [letter.document for letter in self._letters.values() if letter.document is not None]
        for name in sorted(set(names)) if self._safe.document_locks_sorted else dict.fromkeys(names):
            yield from self._tx.lock("document", name)

    def _read_held_again(self) -> None:
        """The best that can be done when the rows are not locked first: look once more, if nobody else appears."""
        locked, self._accepted = self._locked(), []
        self._read_held()
        if self._locked() - locked:
            raise Stale

    def _read_held(self) -> None:
        for snapshot in self._batch.snapshots:
            name = self._name(snapshot)
            held = self._held[name] = self._tx.get(self._store.shelf(snapshot), name)
            if held is not None and held.version == snapshot.version and held != snapshot:
                self._world.truth.red("fork", f"{snapshot.id} revision {snapshot.revision}")
            if held is None or snapshot.version > held.version or not self._safe.revision_comparison:
                self._accepted.append(snapshot)
                self._touch(snapshot.parties)
                self._touch(held.parties if held else ())
                if snapshot.kind == "beat":
                    self._touch(customers_of(self._batch.part) if self._safe.beat_in_every_partition else CUSTOMERS)
        self._letters = {**self._letters, **self._resolved()}
        for letter in self._letters.values():
            self._touch(customers_of(letter.part) if letter.customer is None else (letter.customer,))

    def _resolved(self) -> dict[LetterKey, Letter]:
        """Letters, stored or new, that a higher revision or the replay has made pointless."""
        stored = {key: letter for key, letter in self._store.letters.rows.items() if not letter.resolved}
        found = {key: replace(stored[key], resolved=True) for key in self._batch.replayed if key in stored}
        for key, letter in {**stored, **self._letters}.items():
            held = self._store.held(letter.document or "")
            known = [snapshot for snapshot in self._batch.snapshots if self._name(snapshot) == letter.document]
            if any(snapshot.version >= letter.version for snapshot in [*known, *([held] if held else [])]):
                found[key] = replace(letter, resolved=True)
        return found

    def _touch(self, customers: Iterable[str]) -> None:
        self._touched.update(dict.fromkeys(customer for customer in customers if customer))

    def _locked(self) -> set[str]:
        """Touched customers with their groups, as the aliases are now."""
        if not self._safe.group_rows_locked:
            return set(self._touched)
        links = self._tx.rows(self._store.links)
        new = {snapshot.id: snapshot for snapshot in self._accepted if snapshot.kind == "link"}
        before, after = groups_of(links.values()), groups_of({**links, **new}.values())
        return closure(before, self._touched) | closure(after, self._touched)

    def _lock_customers(self) -> Steps:
        """C2: sorted by id. Aliases are read again after the locks: a group that grew meanwhile is taken anew."""
        wanted = self._locked()
        ordered = sorted(wanted)
        if not self._safe.customer_locks_sorted:
            ordered = [*self._touched, *sorted(wanted - set(self._touched))]
        if self._safe.customer_row_locks:
            for customer in ordered:
                yield from self._tx.lock("customer", customer)
            if self._locked() - wanted:
                raise Stale

    def _write_documents(self) -> Steps:
        for snapshot in self._accepted:
            shelf, name = self._store.shelf(snapshot), self._name(snapshot)
            if not self._safe.document_lock_first:
                yield from self._tx.lock("document", name)
                now_held = self._tx.get(shelf, name)
                if now_held is not None and now_held.version >= snapshot.version:
                    continue
            gone = not snapshot.live and not self._safe.tombstones_kept
            self._tx.put(shelf, name, None if gone else snapshot)

    def _write_letters(self) -> None:
        for key, letter in self._letters.items():
            self._tx.put(self._store.letters, key, letter)

    def _write_facts(self, read: dict[str, Facts]) -> None:
        links = list(self._tx.rows(self._store.links).values())
        changed = dict(read)
        for snapshot in self._accepted:
            held = self._held[self._name(snapshot)]
            if snapshot.kind == "link" and not self._safe.sums_stay_with_party:
                _move(changed, snapshot)
            if snapshot.kind in ("link", "beat"):
                continue
            for sign, version in ((-1, held), (1, snapshot)):
                for party in version.parties if version else ():
                    owner = (
                        party
                        if self._safe.sums_stay_with_party
                        else root_of(groups_of(links).get(party, (party,)), links)
                    )
                    changed[owner] = changed[owner].plus(contribution(version or snapshot, party), sign)
        calendar = calendar_of(self._tx.rows(self._store.documents).values())
        for customer, facts in changed.items():
            self._tx.put(self._store.facts, customer, self._with_extrema(facts, customer, calendar))

    def _with_extrema(self, facts: Facts, customer: str, calendar: Calendar) -> Facts:
        """Read again from the documents; without the safeguard only ever moved by what arrives."""
        orders, invoices = calendar.get((customer, "order"), []), calendar.get((customer, "invoice"), [])
        if not self._safe.extrema_recomputed:
            orders = [*orders, facts.last_order]
            invoices = [*invoices, *([facts.oldest_invoice] if facts.oldest_invoice != NEVER else [])]
        return replace(facts, last_order=max(orders, default=NEVER), oldest_invoice=min(invoices, default=NEVER))


def _move(facts: dict[str, Facts], link: Snapshot) -> None:
    """The draft's physical merge: the sums of the absorbed move to the survivor, and nothing moves them back."""
    if link.live:
        facts[link.bill] = facts[link.bill].plus(facts[link.sold])
        facts[link.sold] = replace(facts[link.sold], turnover=0, receivable=0, documents=0)
