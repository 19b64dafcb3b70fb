"""Documents as rows of their producer's table: the statements, and the way from rows to documents and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.events import KINDS
from shared.events.document import Document, encode
from shared.messaging.customers import VISIBLE


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as this service holds it, with its place in the order of its revisions."""

    id: UUID
    epoch: int
    revision: int
    source_revision: int | None
    reason: str
    recorded_at: datetime
    document: Document

    @property
    def etag(self) -> str:
        return f"{self.epoch}.{self.revision}"


@dataclass(frozen=True, slots=True)
class Write:
    """A row to be written, and the snapshot it replaces."""

    stored: Stored
    source: str
    previous: Document | None
    publish: bool = True
    """False if only `source_revision` moved: for everyone else nothing changed."""
    key: str | None = None
    """What the row is found by instead of its natural key, which may move."""


_COLUMNS: Final = (
    "id, kind, key, source, epoch, revision, source_revision, reason, party, other_party, at, currency, amount, "
    "live, recorded_at, data"
)
_UNNEST: Final = (
    "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::text[], "
    "$9::uuid[], $10::uuid[], $11::timestamptz[], $12::text[], $13::bigint[], $14::bool[], $15::timestamptz[], "
    f"$16::bytea[]) as new ({_COLUMNS})"
)
SELECT: Final = f"select {_COLUMNS} from document"
# Any conflict, not only of the key: whoever makes the same customer at once has the same id as well.
INSERT: Final = f"""
insert into document ({_COLUMNS}) select {_COLUMNS} from {_UNNEST}
on conflict do nothing returning id
"""
UPDATE: Final = f"""
update document set epoch = new.epoch, revision = new.revision, source_revision = new.source_revision,
    reason = new.reason, party = new.party, other_party = new.other_party, at = new.at, currency = new.currency,
    amount = new.amount, live = new.live, recorded_at = new.recorded_at, data = new.data
from {_UNNEST} where document.id = new.id
"""
_PAGE: Final = f"""
{SELECT} where {{which}} and ($2::uuid is null or id < $2)
    and ($3::uuid is null or party = $3 or other_party = $3)
    and ($5::text is null or party in ({VISIBLE.format(owner="$5")}) or other_party in ({VISIBLE.format(owner="$5")}))
order by id desc limit $4
"""
PAGE: Final = _PAGE.format(which="kind = $1")
# A statement of its own: the plan kept for one with an optional key would walk through all of the kind.
PAGE_OF_KEY: Final = _PAGE.format(which="kind = $1 and key = $6")
# In the order of ids, so that two flushes with the same documents cannot wait for each other.
LOCK: Final = f"""
{SELECT} where (kind, key) in (select * from unnest($1::text[], $2::text[])) order by id for update
"""


def stored_in(row: Any) -> Stored:
    """The document in a row."""
    return Stored(
        row["id"],
        row["epoch"],
        row["revision"],
        row["source_revision"],
        row["reason"],
        row["recorded_at"],
        msgspec.json.decode(row["data"], type=KINDS[row["kind"]]),
    )


def columns_of(writes: Sequence[Write]) -> tuple[list[Any], ...]:
    """Arguments of `INSERT` and `UPDATE`."""
    return tuple(list(column) for column in zip(*map(_row, writes), strict=True))


def _row(write: Write) -> tuple[Any, ...]:
    stored, document = write.stored, write.stored.document
    parties = document.parties()
    currency, amount = document.sums()
    return (
        stored.id,
        document.kind,
        write.key or document.natural_key,
        write.source,
        stored.epoch,
        stored.revision,
        stored.source_revision,
        stored.reason,
        parties[0].id if parties else None,
        parties[1].id if len(parties) > 1 else None,
        document.at,
        currency,
        amount,
        document.live,
        stored.recorded_at,
        encode(document),
    )
