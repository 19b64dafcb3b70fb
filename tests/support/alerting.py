"""The alerting service on a database of its own: documents in, beats in, the clock by hand, warnings out."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from services.alerting import use_cases
from services.alerting.domain import Command, HeldWarning
from services.alerting.service import SERVICE
from shared.context import Context
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.errors import Unavailable
from shared.events import PARTITIONS, Beat, Document, Event, Party, cloudevents, encode
from shared.events.sources import Coverage, SourceKind
from shared.ids import PARTY_NAMESPACE, Uuid7Ids
from shared.messaging import outbox
from shared.messaging.document_store import Stored
from shared.messaging.partitions import partition_of
from shared.settings import Settings
from tests.support.builders import day
from tests.support.stage import StoppedClock

KINDS: Final[tuple[SourceKind, ...]] = ("order", "payment")


@dataclass
class Alerting:
    """The running service. Revisions of documents grow with every call, as their producers would number them."""

    context: Context
    clock: StoppedClock
    _revisions: dict[UUID, int] = field(default_factory=dict)

    def events(
        self,
        *documents: Document,
        revision: int | None = None,
        recorded_at: datetime | None = None,
        partitions: Collection[int] | None = None,
    ) -> list[Event]:
        """The copies of these snapshots for all they name, or for everyone; `partitions`: only those."""
        return [
            event
            for document in documents
            for event in self._copies(document, revision, recorded_at or self.clock.now())
            if partitions is None or event.partition in partitions
        ]

    async def handle(self, events: Sequence[Event]) -> None:
        """One batch of the consumer; what a second attempt mends is attempted again, as the consumer does."""
        assert SERVICE.subscription is not None
        while True:
            try:
                async with self.context.database.unit_of_work() as unit:
                    return await SERVICE.subscription.handler(events, unit, self.context)
            except Unavailable:
                continue

    async def take(self, *documents: Document, **how: Any) -> None:
        """Hand snapshots to the consumer, in one batch."""
        await self.handle(self.events(*documents, **how))

    async def beat(
        self,
        until: float | datetime,
        *kinds: SourceKind,
        source: str = "erp",
        coverage: Coverage = "all",
        partitions: Collection[int] | None = None,
        **fields: Any,
    ) -> None:
        """Everything before `until` (a day of all tests, or an instant) is here; then whoever is due is judged."""
        complete = until if isinstance(until, datetime) else day(until)
        values = {"activated_at": day(0), "complete_until": complete, "coverage": coverage} | fields
        beats = [Beat(source=source, of=kind, **values) for kind in kinds or KINDS]
        await self.take(*beats, partitions=partitions)
        await self.judge_due()

    async def judge_due(self) -> int:
        """The due job, until there is no more; returns how often it ran."""
        runs = 1
        while await self._judge_page():
            runs += 1
            assert runs < 100, "the due job never comes to rest"
        return runs

    async def pass_time(self, number: float) -> None:
        """It is the day `number`; the jobs run."""
        self.clock.at = day(number)
        await self.run_jobs()

    async def run_jobs(self) -> None:
        """Every job once, to its end."""
        for job in SERVICE.jobs:
            while await job.run(self.context):
                pass

    async def do(self, warning: UUID, command: Command) -> Stored:
        """A person's command."""
        async with self.context.database.unit_of_work() as unit:
            return await use_cases.handle_warning(warning, command, unit)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """What a query finds."""
        async with self.context.database.unit_of_work() as unit:
            return list(await unit.connection.fetch(query, *arguments))

    async def warnings(
        self, *, code: str | None = None, root: str | None = None, all_: bool = False
    ) -> list[HeldWarning]:
        """Held warnings, oldest first, about the customer `root`; those taken back only with `all_`."""
        rows = await self.rows("select data from warning where $1::text is null or code = $1 order by id", code)
        held = [msgspec.msgpack.decode(row["data"], type=HeldWarning) for row in rows]
        mine = [one for one in held if root is None or one.root.external_id == root]
        return [one for one in mine if all_ or one.condition != "retracted"]

    async def only(self, **which: Any) -> HeldWarning:
        """The one warning there must be."""
        (held,) = await self.warnings(**which)
        return held

    async def published(self) -> list[Event]:
        """Every event of a warning so far, in order."""
        rows = await self.rows("select * from outbox order by id")
        return [cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"]) for row in rows]

    async def _judge_page(self) -> bool:
        async with self.context.database.unit_of_work() as unit:
            return await use_cases.judge_due(unit, self.context.settings.zone)

    def _copies(self, document: Document, revision: int | None, recorded_at: datetime) -> Iterable[Event]:
        id_ = uuid5(PARTY_NAMESPACE, f"{document.kind}/{document.natural_key}")
        if revision is None:
            revision = self._revisions[id_] = self._revisions.get(id_, 0) + 1
        for party, partition in _addressees(document):
            yield Event(
                kind=document.kind,
                reason=min(document.reasons),
                id=id_,
                epoch=1,
                revision=revision,
                recorded_at=recorded_at,
                producer="test",
                party=party,
                data=encode(document),
                partition=partition,
            )


def partition_of_party(party: Party) -> int:
    return partition_of(str(party.id).encode(), PARTITIONS)


def _addressees(document: Document) -> list[tuple[UUID | None, int]]:
    parties = document.parties()
    if not parties:
        return [(None, part) for part in range(PARTITIONS)]
    return [(party.id, partition_of_party(party)) for party in parties]


@asynccontextmanager
async def alerting_on(dsn: str, *, migrated: bool = False, **settings: Any) -> AsyncIterator[Alerting]:
    """The service on an empty database, at the first day of all tests, in UTC."""
    if not migrated:
        await migrate(SERVICE, dsn)
    clock, ids = StoppedClock(), Uuid7Ids()
    database = Database(dsn, clock=clock, ids=ids)
    context = Context("alerting", database, Settings(**({"time_zone": "UTC"} | settings)), clock, ids)
    yield Alerting(context, clock)
    await database.close()
