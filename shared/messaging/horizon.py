"""The horizon: up to which instant absence may be judged for a group of customers, per kind, and what holds it back.

Only beats that came through the log move it; no clock is read. Nothing else knows why absence is not judged.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, get_args
from uuid import UUID

from shared.database.unit_of_work import Connection
from shared.events import PARTITIONS
from shared.events.sources import SourceKind
from shared.messaging import markers
from shared.messaging.dead_letters import FREEZING
from shared.messaging.partitions import partition_of

_KINDS: Final = get_args(SourceKind)

_BEATS: Final = """
select source, of, part, coverage, activated_at, complete_until, retired_at from beat order by epoch, revision
"""
_DELIVERED: Final = "select party, of, source from party_source where party = any($1)"
_LETTERS: Final = f"""
select distinct party, part from dead_letter as letter
where (party is null or party = any($1)) and ({FREEZING}) order by party, part
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """What keeps absence of a kind from being judged further: a code and the source or place it is about.

    `rebuild`, `dead_letter`, `no_source` and `source_silent` close it; `source` names whose promise the horizon is.
    """

    code: str
    subject: str


@dataclass(frozen=True, slots=True)
class Horizon:
    """Per kind the instant before which everything is known (None = nothing is), and why it is not later."""

    until: Mapping[str, datetime | None]
    reasons: Mapping[str, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True)
class _Source:
    """One source of one kind, by what its newest beat says in each partition."""

    name: str
    beats: Mapping[int, Any]
    newest: Any

    def in_part(self, part: int) -> Any:
        """What it has said there; where it has said nothing yet, it is as elsewhere, but promises nothing."""
        return self.beats.get(part) or {**self.newest, "complete_until": None, "retired_at": None}

    def counts(self, parts: Iterable[int], *, delivered: bool) -> dict[int, datetime | None]:
        """What it promises in the partitions where it holds the horizon of somebody."""
        said = {part: self.in_part(part) for part in parts}
        return {
            part: beat["complete_until"]
            for part, beat in said.items()
            if beat["retired_at"] is None and (delivered or beat["coverage"] == "all")
        }


async def load(groups: Iterable[frozenset[UUID]], connection: Connection) -> dict[frozenset[UUID], Horizon]:
    """The horizon of each group of customers.

    W(group, kind) is the minimum over the unretired sources that serve everyone and those that delivered that kind for
    a member, over all members' partitions; with none, absence is not judged. An open dead letter of a member, or one
    without a readable key in a member's partition, closes all kinds, and a rebuild all kinds for everybody. To be asked
    under the row locks of the group.
    """
    wanted = set(groups)
    if producers := await markers.closed(connection):
        return dict.fromkeys(wanted, _closed([Reason("rebuild", producer) for producer in producers]))
    members = [member for group in wanted for member in group]
    sources = _sources(await connection.fetch(_BEATS))
    delivered: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for row in await connection.fetch(_DELIVERED, members):
        delivered[row["party"]].add((row["of"], row["source"]))
    letters = await connection.fetch(_LETTERS, members)
    # Most groups are one customer of one partition whom the same sources serve: computed once for all of them.
    promised = cache(partial(_promised, sources))
    return {
        group: _frozen(group, parts, letters)
        or promised(parts, frozenset(pair for member in group for pair in delivered.get(member, ())))
        for group, parts in ((group, _parts(group)) for group in wanted)
    }


async def ceilings(connection: Connection) -> dict[tuple[str, int], datetime]:
    """Per kind and partition an instant which no horizon of anybody there exceeds; a pair that is missing is closed.

    Cheap, for asking who may be ready: only the horizon of a group says who is.
    """
    if await markers.closed(connection):
        return {}
    sources = _sources(await connection.fetch(_BEATS))
    found = {(kind, part): _ceiling(sources[kind], part) for kind in sources for part in range(PARTITIONS)}
    return {place: until for place, until in found.items() if until is not None}


async def watermarks(connection: Connection) -> dict[str, datetime]:
    """Per kind that anybody delivers the lowest of its ceilings, for who operates the system: nobody is judged by it.

    A source that has promised nothing counts from its activation. Empty while a rebuild closes everything.
    """
    if await markers.closed(connection):
        return {}
    found: dict[str, datetime] = {}
    for kind, sources in _sources(await connection.fetch(_BEATS)).items():
        lowest = [_ceiling(sources, part) or _activation(sources, part) for part in range(PARTITIONS)]
        known = [instant for instant in lowest if instant is not None]
        if known:
            found[kind] = min(known)
    return found


def _activation(sources: Iterable[_Source], part: int) -> datetime | None:
    beats = (source.in_part(part) for source in sources)
    return min((beat["activated_at"] for beat in beats if beat["retired_at"] is None), default=None)


def _ceiling(sources: Iterable[_Source], part: int) -> datetime | None:
    promised = [beat for source in sources if (beat := source.in_part(part))["retired_at"] is None]
    of_all = [beat["complete_until"] for beat in promised if beat["coverage"] == "all"]
    if of_all:
        return None if None in of_all else min(of_all)
    return max((beat["complete_until"] for beat in promised if beat["complete_until"] is not None), default=None)


def _sources(beats: Sequence[Any]) -> dict[str, list[_Source]]:
    """Sources by kind."""
    by_source: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for beat in beats:
        by_source[beat["of"], beat["source"]].append(beat)
    sources: dict[str, list[_Source]] = defaultdict(list)
    for (kind, name), said in sorted(by_source.items()):
        sources[kind].append(_Source(name, {beat["part"]: beat for beat in said}, said[-1]))
    return sources


def _parts(group: frozenset[UUID]) -> tuple[int, ...]:
    """Partitions of the members, in order."""
    return tuple(sorted({partition_of(str(member).encode(), PARTITIONS) for member in group}))


def _promised(
    sources: Mapping[str, Sequence[_Source]], parts: tuple[int, ...], named: frozenset[tuple[str, str]]
) -> Horizon:
    """The horizon of groups in these partitions, for whom the sources `named` (kind, name) have delivered."""
    until: dict[str, datetime | None] = {}
    reasons: dict[str, tuple[Reason, ...]] = {}
    for kind in _KINDS:
        promises = {
            source.name: promised
            for source in sources.get(kind, ())
            if (promised := source.counts(parts, delivered=(kind, source.name) in named))
        }
        until[kind], reasons[kind] = _of_kind(promises)
    return Horizon(until, reasons)


def _frozen(group: frozenset[UUID], parts: Sequence[int], letters: Sequence[Any]) -> Horizon | None:
    """What letters leave of a horizon: nothing; None if none concerns the group."""
    reasons = tuple(
        Reason("dead_letter", str(letter["party"] or f"partition {letter['part']}"))
        for letter in letters
        if letter["party"] in group or (letter["party"] is None and letter["part"] in parts)
    )
    return _closed(reasons) if reasons else None


def _closed(reasons: Sequence[Reason]) -> Horizon:
    return Horizon(dict.fromkeys(_KINDS), dict.fromkeys(_KINDS, tuple(reasons)))


def _of_kind(promises: Mapping[str, Mapping[int, datetime | None]]) -> tuple[datetime | None, tuple[Reason, ...]]:
    if not promises:
        return None, (Reason("no_source", ""),)
    silent = tuple(Reason("source_silent", name) for name, said in promises.items() if None in said.values())
    if silent:
        return None, silent
    earliest = {name: min(filter(None, said.values())) for name, said in promises.items()}
    until = min(earliest.values())
    return until, tuple(Reason("source", name) for name in earliest if earliest[name] == until)
