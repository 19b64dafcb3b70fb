"""How much waits in an outbox, and since when.

Nothing stores when a row was written, and a document that is sent again was recorded long ago. Whoever looks again and
again remembers what was not there yet the last time, and that dates a row to within the time between two looks.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.context import Context
from shared.database.unit_of_work import Connection
from shared.events import PARTITIONS, cloudevents
from shared.messaging import outbox

LATE: Final = timedelta(seconds=30)
"""A row that has waited longer is not merely on its way: nobody sends, or the bus does not take it."""

HALF: Final = 2
"""An outbox that has less than this part of its room left is filling."""

LOOKS: Final = 500
"""How many are remembered."""

_FIRST: Final = """
select o.id, o.headers, o.payload, o.part from generate_series(0, $1::int - 1) as p cross join lateral
    (select * from outbox where outbox.part = p order by outbox.id limit 1) as o order by o.id limit 1
"""
_REST: Final = """
select (select count(*) from outbox) as rows, max(o.id) as last from generate_series(0, $1::int - 1) as p
cross join lateral (select id from outbox where outbox.part = p order by outbox.id desc limit 1) as o
"""


class Waiting(NamedTuple):
    """Rows of an outbox, since when the first of them waits (as far as that is known), and where they begin and end."""

    rows: int
    since: datetime | None
    first: int = 0
    end: int = 0


async def waiting(connection: Connection) -> Waiting:
    """What waits for the bus; of a document sent again it looks as if it had waited since it was recorded."""
    row = await connection.fetchrow(_FIRST, PARTITIONS)
    if row is None:
        return Waiting(0, None)
    first = cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"])
    rest = await connection.fetchrow(_REST, PARTITIONS)
    assert rest is not None
    # The relay may have sent everything between the two statements.
    return Waiting(rest["rows"], first.recorded_at, row["id"], (rest["last"] or row["id"]) + 1)


class History:
    """How far a growing sequence had come at which instant: between which two looks a member of it came."""

    def __init__(self) -> None:
        self._looks: list[tuple[datetime, int]] = []

    def seen(self, now: datetime, end: int) -> None:
        """Now nothing is there from `end` on."""
        if len(self._looks) > 1 and self._looks[-1][1] == self._looks[-2][1] == end:
            self._looks.pop()
        self._looks.append((now, end))
        if len(self._looks) > LOOKS:
            # Coarser, but it reaches as far back.
            del self._looks[1:-1:2]

    def came(self, position: int) -> tuple[datetime | None, datetime | None]:
        """When `position` was last not there, and when it was there first; what is older is never asked for again."""
        absent = [look for look in self._looks if look[1] <= position]
        del self._looks[: len(absent) - 1]
        there = next((at for at, end in self._looks if end > position), None)
        return (absent[-1][0], there) if absent else (None, None)


class OutboxWatch:
    """The outbox of one service, looked at again and again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._history = History()
        self._end = 0

    async def look(self, connection: Connection) -> Waiting:
        """What waits now."""
        found, now = await waiting(connection), self._context.clock.now()
        self._end = max(self._end, found.end)
        since = found.since
        absent, _ = self._history.came(found.first)
        if since is not None and absent is not None:
            since = max(since, absent)
        self._history.seen(now, self._end)
        return found._replace(since=since)

    def is_full(self, found: Waiting) -> bool:
        """Ingest answers 503."""
        return found.rows > self._context.settings.outbox_limit

    def is_filling(self, found: Waiting) -> bool:
        """Nothing is lost or refused yet, and somebody should look."""
        if found.since is not None and self._context.clock.now() - found.since > LATE:
            return True
        return found.rows * HALF > self._context.settings.outbox_limit
