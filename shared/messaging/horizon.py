"""The horizon: up to which instant absence may be judged for a group of customers, per kind, and what holds it back.

Only beats that came through the log move it; no clock is read. Nothing else knows why absence is not judged.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.database.unit_of_work import Connection
from shared.events import PARTITIONS
from shared.messaging.partitions import partition_of

_BEATS: Final = "select source, of, part, coverage, complete_until from beat where retired_at is null"
_DELIVERED: Final = "select party, of, source from party_source where party = any($1)"
_LETTERS: Final = """
select distinct party, part from dead_letter where resolved_at is null and (party is null or party = any($1))
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """What keeps absence of a kind from being judged further: a code and the source or place it is about."""

    code: str
    subject: str


@dataclass(frozen=True, slots=True)
class Horizon:
    """Per kind the instant before which everything is known (None = nothing is), and why it is not later."""

    until: Mapping[str, datetime | None]
    reasons: Mapping[str, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True)
class _Promise:
    coverage: str
    until: dict[int, datetime | None]


async def load(groups: Iterable[frozenset[UUID]], connection: Connection) -> dict[frozenset[UUID], Horizon]:
    """The horizon of each group of customers.

    W(group, kind) is the minimum over the unretired sources that serve everyone and those that delivered that kind for
    a member, over all members' partitions; with none, absence is not judged. An open dead letter of a member, or one
    without a readable key in a member's partition, closes all kinds.
    """
    wanted = set(groups)
    members = sorted({member for group in wanted for member in group})
    promises = _promises(await connection.fetch(_BEATS))
    delivered: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for row in await connection.fetch(_DELIVERED, members):
        delivered[row["party"]].add((row["of"], row["source"]))
    letters = await connection.fetch(_LETTERS, members)
    return {group: _of_group(group, promises, delivered, letters) for group in wanted}


def _promises(rows: Sequence[Any]) -> dict[tuple[str, str], _Promise]:
    promises: dict[tuple[str, str], _Promise] = {}
    for row in rows:
        promise = promises.setdefault((row["of"], row["source"]), _Promise(row["coverage"], {}))
        promise.until[row["part"]] = row["complete_until"]
    return promises


def _of_group(
    group: frozenset[UUID],
    promises: Mapping[tuple[str, str], _Promise],
    delivered: Mapping[UUID, set[tuple[str, str]]],
    letters: Sequence[Any],
) -> Horizon:
    parts = {partition_of(str(member).encode(), PARTITIONS) for member in group}
    frozen = _frozen(group, parts, letters)
    named = {pair for member in group for pair in delivered.get(member, ())}
    until: dict[str, datetime | None] = {}
    reasons: dict[str, tuple[Reason, ...]] = {}
    for kind in sorted({of for of, _ in promises}):
        relevant = {
            source: promise
            for (of, source), promise in promises.items()
            if of == kind and (promise.coverage == "all" or (of, source) in named)
        }
        until[kind], reasons[kind] = _of_kind(relevant, parts, frozen)
    return Horizon(until, reasons)


def _frozen(group: frozenset[UUID], parts: set[int], letters: Sequence[Any]) -> tuple[Reason, ...]:
    return tuple(
        Reason("dead_letter", str(letter["party"] or f"partition {letter['part']}"))
        for letter in letters
        if letter["party"] in group or (letter["party"] is None and letter["part"] in parts)
    )


def _of_kind(
    relevant: Mapping[str, _Promise], parts: set[int], frozen: tuple[Reason, ...]
) -> tuple[datetime | None, tuple[Reason, ...]]:
    if frozen:
        return None, frozen
    if not relevant:
        return None, (Reason("no_source", ""),)
    silent = tuple(
        Reason("source_silent", source)
        for source, promise in sorted(relevant.items())
        if any(promise.until.get(part) is None for part in parts)
    )
    if silent:
        return None, silent
    earliest = {source: min(_known(promise.until, parts)) for source, promise in relevant.items()}
    until = min(earliest.values())
    return until, tuple(Reason("source", source) for source in sorted(earliest) if earliest[source] == until)


def _known(until: Mapping[int, datetime | None], parts: set[int]) -> list[datetime]:
    return [instant for part in parts if (instant := until[part]) is not None]
