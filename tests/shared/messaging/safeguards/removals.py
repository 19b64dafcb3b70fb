"""The safeguards of the product, each taken out from outside: a subclass or a patched name, and the harm that shows.

| rule | safeguard | shown by |
|---|---|---|
| P1 | row lock for the revision; outbox in the same transaction; late copies superseded; repeats write nothing | here |
| P1 | who lost a race gives back what he holds | `test_document_store` (needs three transactions in one order) |
| P2 | payer addressed; previous parties addressed | here |
| P3 | acknowledged only; own ids; present rows; id order; one batch in flight | here |
| P3 | quota per partition; producer dropped on any error; leader lock | `test_relay`; the embedded bus has no leaders |
| P4, P6, C7, C8 | epoch, republish, gate of a new consumer, fence | `test_lives` |
| P5 | a beat in every partition | here |
| P5 | a beat waits for the answers | protocol model: a rule for sources, not code of ours |
| P5 | a promise never falls | `test_sources` |
| C1 | contiguity; cursor not before the effects | here |
| C1 | compare-and-set | `test_consumer`; economy: C2 absorbs the repetition |
| C2 | revision comparison; sums by new minus held | here |
| C2 | locks in the order of ids; held snapshot read under the lock | `test_projection` (too rare for seeds) |
| C2 | batch reduced first | `test_projection`; halving hides it here |
| C2 | customer rows, extrema | the service that keeps them |
| C3 | bad records are passed; they freeze | here |
| C3 | open is asked, not flagged; beats do not freeze | `test_dead_letters` (too narrow for seeds) |
| C4, C6, C9 | links, episodes, output | `customers`, alerting |
| C5 | all partitions of a group; minimum over sources; named sources | here |
| C10 | tallies | `test_facts`; the end of every story here |
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import asyncpg

from shared.database.unit_of_work import Connection, UnitOfWork
from shared.events import Document
from shared.messaging import document_store, horizon, outbox, projection
from shared.messaging.bus import BusError, BusProducer, TopicPartition
from shared.messaging.consumer import Consumer
from shared.messaging.document_rows import Write
from shared.messaging.document_store import DocumentStore, Draft, Outcome, Stored
from shared.messaging.horizon import Horizon
from shared.messaging.outbox import Outgoing
from shared.messaging.relay import Connection as Session
from shared.messaging.relay import Relay
from tests.shared.messaging.safeguards.parts import Parts
from tests.support.stage import Stage

Rows = list[asyncpg.Record]


@dataclass(frozen=True)
class Removal:
    """A safeguard taken out: what the story then runs on."""

    name: str
    parts: Callable[[Stage], Parts]


def _outbox_on_its_own(stage: Stage) -> Parts:
    class Store(DocumentStore):
        async def _publish(self, writes: Iterable[Write], unit: UnitOfWork) -> None:  # noqa: ARG002
            async with stage.producer.database.unit_of_work() as own:
                await super()._publish(writes, own)

    return Parts(store=Store)


class _ForgetsPrevious(DocumentStore):
    def _outgoing(self, write: Write) -> Outgoing:
        return super()._outgoing(replace(write, previous=None))


class _ForgetsPayer(DocumentStore):
    def _outgoing(self, write: Write) -> Outgoing:
        outgoing = super()._outgoing(write)
        return replace(outgoing, addressees=outgoing.addressees[:1])


def _takes_whatever_comes(draft: Draft, held: Stored | None, epoch: int, unit: UnitOfWork) -> Outcome:
    outcome = _compare(draft, held, epoch, unit)
    if outcome.status != "superseded":
        return outcome
    assert held is not None
    return Outcome("amended", document_store._next(held, draft.document, "amended", draft.source_revision, unit.now))


def _counts_repeats(draft: Draft, held: Stored | None, epoch: int, unit: UnitOfWork) -> Outcome:
    outcome = _compare(draft, held, epoch, unit)
    if outcome.status != "duplicate":
        return outcome
    assert held is not None
    return Outcome("amended", document_store._next(held, draft.document, "amended", draft.source_revision, unit.now))


_compare = document_store._compare


class _DeletesUnacknowledged(Relay):
    async def _send(self, producer: BusProducer, part: int, rows: Rows) -> Rows:
        with contextlib.suppress(BusError):
            await super()._send(producer, part, rows)
        return rows


class _DeletesUpToTheLast(Relay):
    async def _delete(self, rows: Sequence[asyncpg.Record], connection: Session) -> None:
        for part in {row["part"] for row in rows}:
            last = max(row["id"] for row in rows if row["part"] == part)
            await connection.execute("delete from outbox where part = $1 and id <= $2", part, last)


def _keeps_a_cursor(_: Stage) -> Parts:
    last: dict[int, int] = {}

    class Keeping(Relay):
        async def _present(self, parts: Collection[int], connection: Session) -> dict[int, Rows]:
            later = {
                part: [row for row in rows if row["id"] > last.get(part, 0)]
                for part, rows in (await super()._present(parts, connection)).items()
            }
            return {part: rows for part, rows in later.items() if rows}

        async def _delete(self, rows: Sequence[asyncpg.Record], connection: Session) -> None:
            await super()._delete(rows, connection)
            last.update({row["part"]: row["id"] for row in rows})

    return Parts(relay=Keeping)


class _SendsTheLastFirst(Relay):
    async def _present(self, parts: Collection[int], connection: Session) -> dict[int, Rows]:
        return {part: rows[::-1] for part, rows in (await super()._present(parts, connection)).items()}


class _DoesNotWaitForTheAnswer(Relay):
    async def _send(self, producer: BusProducer, part: int, rows: Rows) -> Rows:
        failures: list[BusError] = []
        for row in rows:
            try:
                await super()._send(producer, part, [row])
            except BusError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return rows


def _beats_in_one_partition(item: Outgoing) -> Iterable[tuple[int, UUID | None, bytes]]:
    rows = list(_rows(item))
    return rows[:1] if item.event.kind == "beat" else rows


_rows = outbox._rows


class _TrustsTheFetch(Consumer):
    def _check_contiguous(self, records: Sequence[Any]) -> None:
        """Whatever comes is what comes next."""


class _MovesTheCursorFirst(Consumer):
    async def _advance(self, ends: dict[TopicPartition, int], unit: UnitOfWork) -> None:  # noqa: ARG002
        async with self._context.database.unit_of_work() as own:
            await super()._advance(ends, own)


class _StopsAtBadRecords(Consumer):
    async def _bury(self, record: Any, error: Exception) -> None:  # noqa: ARG002
        raise RuntimeError from error


_COMPARISON = "where (excluded.epoch, excluded.revision) > (held.epoch, held.revision)"


def _forgets_what_was_held(_: Any, event: Any, document: Document) -> projection.Change:
    return projection.Change(event.id, document, None, event.recorded_at)


async def _judges_by_one_member(groups: Iterable[frozenset[UUID]], connection: Connection) -> dict[Any, Horizon]:
    firsts = {group: frozenset({min(group)}) for group in groups}
    found = await _load(firsts.values(), connection)
    return {group: found[first] for group, first in firsts.items()}


_load = horizon.load


def _listens_to_the_fastest(promises: Any) -> Any:
    said = {name: min(known) for name, parts in promises.items() if (known := [*filter(None, parts.values())])}
    return (max(said.values()), ()) if said else (None, ())


async def _remembers_no_source(documents: Any, connection: Connection) -> None:
    """Nobody delivered anything for anybody."""


def _patched(module: Any, name: str, value: Any) -> Callable[[Stage], Parts]:
    return lambda _: Parts(patches=[(module, name, value)])


def _without(module: Any, name: str, text: str, instead: str = "") -> Callable[[Stage], Parts]:
    assert text in getattr(module, name), f"{name} no longer says {text!r}"
    return _patched(module, name, getattr(module, name).replace(text, instead))


REMOVALS: Final = (
    Removal("P1 row lock for the revision", _without(document_store, "LOCK", "for update")),
    Removal("P1 outbox in the same transaction", _outbox_on_its_own),
    Removal("P1 late copies are superseded", _patched(document_store, "_compare", _takes_whatever_comes)),
    Removal("P1 a repeated request writes nothing", _patched(document_store, "_compare", _counts_repeats)),
    Removal("P2 the payer is addressed", lambda _: Parts(store=_ForgetsPayer)),
    Removal("P2 previous parties are addressed", lambda _: Parts(store=_ForgetsPrevious)),
    Removal("P3 only what was acknowledged is deleted", lambda _: Parts(relay=_DeletesUnacknowledged)),
    Removal("P3 rows are deleted by their own ids", lambda _: Parts(relay=_DeletesUpToTheLast)),
    Removal("P3 present rows, not a cursor", _keeps_a_cursor),
    Removal("P3 id order", lambda _: Parts(relay=_SendsTheLastFirst)),
    Removal("P3 one batch in flight", lambda _: Parts(relay=_DoesNotWaitForTheAnswer)),
    Removal("P5 a beat in every partition", _patched(outbox, "_rows", _beats_in_one_partition)),
    Removal("C1 contiguity", lambda _: Parts(consumer=_TrustsTheFetch)),
    Removal("C1 the cursor does not move before the effects", lambda _: Parts(consumer=_MovesTheCursorFirst)),
    Removal("C2 revision comparison", _without(projection, "_APPLY", _COMPARISON)),
    Removal("C2 sums by new minus held", _patched(projection, "_change", _forgets_what_was_held)),
    Removal("C3 bad records are passed", lambda _: Parts(consumer=_StopsAtBadRecords)),
    Removal("C3 they freeze", _without(horizon, "_LETTERS", "where", "where false and")),
    Removal("C5 all partitions of a group", _patched(horizon, "load", _judges_by_one_member)),
    Removal("C5 minimum over sources", _patched(horizon, "_of_kind", _listens_to_the_fastest)),
    Removal("C5 named sources count", _patched(projection, "_remember_sources", _remembers_no_source)),
)
