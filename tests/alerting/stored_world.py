"""The world of the domain's random test, kept by the real service in a real database: batches in, tables compared."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.alerting.domain import RULES, Acknowledge, Close, HeldWarning, RuleVersion, horizon
from services.alerting.repository.states import GroupState
from services.alerting.use_cases import judge_customers
from services.alerting.use_cases.touch import Touch
from shared.errors import ForewarnError
from shared.events import PARTITIONS, Beat, CustomerLink, Document, Event, Party
from shared.events.days import start_of
from shared.messaging import customers, projection
from shared.messaging import horizon as horizons
from tests.alerting.domain.world import FIRST, KINDS, Broken, World
from tests.support import builders as build
from tests.support.alerting import Alerting, partition_of_party

_SAVE_VERSION = "insert into rule_version select $1, $2, $3, $4::jsonb, $3"
_STATES = "select party, data, order_day, payment_day from state"
_TABLES = (
    "state, due, warning, warning_member, transition, rule_version, document, outbox, held_document, alias, customer, "
    "beat, party_source, dead_letter"
)


class StoredWorld(World):
    """Steps of a script write down what happens; `settle` lets the service do it and compares."""

    def __init__(self, service: Alerting, parties: Sequence[Party], zone: ZoneInfo, way: random.Random) -> None:
        super().__init__(parties, zone, sparing=False)
        self.service, self._way = service, way
        self._events: list[Event] = []
        self._acts: list[Callable[[], Any]] = []
        self._linked = False
        self._revision = 0
        self._roots: dict[UUID, UUID] = {}
        self._until: dict[UUID, dict[str, date | None]] = {}

    # What a script calls.

    def document(self, revision: int, document: Document) -> None:
        # Known at once in both orders: how late a document was decides what is pushed, never what is judged.
        self._events += self.service.events(document, revision=revision + 1, recorded_at=build.day(-1))

    def link(self, low: int, high: int, present: bool) -> None:
        self._revision += 1
        link = CustomerLink(
            survivor=self.parties[low], absorbed=self.parties[high], linked_at=build.day(0), live=present
        )
        self._events += self.service.events(link, revision=self._revision)
        self._linked = True

    def beat(self, kind: str, day: date, only: int | None = None) -> None:
        self._revision += 1
        until = start_of(day + timedelta(days=1), self.zone)
        values: Any = {"of": kind, "activated_at": build.day(-1), "complete_until": until, "rhythm_hours": None}
        beat = Beat(source="erp", **values)
        partitions = range(PARTITIONS) if only is None else [partition_of_party(self.parties[only])]
        self._events += self.service.events(beat, revision=self._revision, partitions=partitions)

    def version(self, version: RuleVersion) -> None:
        self._acts.append(lambda: self._save_version(version))

    def command(self, rng: random.Random) -> None:
        self._acts.append(lambda: self._command(rng))

    def pass_time(self, now: datetime) -> None:
        self.now = now

    # What the service then does.

    async def begin(self) -> None:
        """Empty tables, and rules whose lines are short."""
        await self.service.rows(f"truncate {_TABLES}")
        for version in FIRST:
            await self._insert(version)

    async def settle(self, consumers: int) -> None:
        """Hand over everything that happened, in one batch per consumer at once; then the jobs; then compare."""
        self.service.clock.at = self.now
        open_before = {(one.code, one.root.id, one.episode.scope): one.id for one in self.held.values() if one.firing}
        events, self._events = self._events, []
        shares = [[event for event in events if event.partition % consumers == n] for n in range(consumers)]
        await asyncio.gather(*(self.service.handle(share) for share in shares if share))
        if self._way.random() < 0.1:
            await self.service.handle(self._way.sample(events, len(events)))
        acts, self._acts = self._acts, []
        for act in acts:
            await act()
        await self.service.run_jobs()
        await self._read()
        self.check(open_before, self._linked)
        self._linked = False

    async def touch_all(self) -> None:
        """Judge everyone again."""
        await self._judge(None)
        await self._read()
        self.check({}, linked=True)

    def groups(self) -> list[tuple[Party, ...]]:
        found: dict[UUID, list[Party]] = {}
        for party in self.parties:
            found.setdefault(self._roots.get(party.id, party.id), []).append(party)
        return [tuple(sorted(members, key=lambda one: (one.id != root, one.id))) for root, members in found.items()]

    def _promised(self, group: Sequence[Party]) -> dict[tuple[UUID, str], date]:
        found = {}
        for member in group:
            for kind in KINDS:
                stored, until = self.judged.get((member.id, kind)), self._until[group[0].id][kind]
                day = horizon.ratchet(stored, until, self.now, self.zone)
                if day is not None:
                    found[member.id, kind] = day
        return found

    async def _read(self) -> None:
        held = {one.id: one for one in await self.service.warnings(all_=True)}
        for id_, one in held.items():
            self._compare(self.held.get(id_), one)
        if self.held.keys() - held.keys():
            raise Broken("a warning is gone")
        self.held = held
        self.documents = {}
        for row in await self.service.rows("select kind, revision, data from held_document"):
            document = projection.decode(row["kind"], row["data"])
            if not isinstance(document, CustomerLink):
                self.documents[document.kind, document.natural_key] = (row["revision"], document)
        self._roots = {row["party"]: row["root"] for row in await self.service.rows("select party, root from alias")}
        self.rows, self.due, self.judged = {}, {}, {}
        for row in await self.service.rows(_STATES):
            self.judged |= {(row["party"], kind): row[f"{kind}_day"] for kind in KINDS if row[f"{kind}_day"]}
            if row["data"] is not None:
                state = msgspec.msgpack.decode(row["data"], type=GroupState)
                self.rows[row["party"]], self.due[row["party"]] = state.checkpoints, state.due
        await self._check_dues()
        await self._read_horizons()

    async def _check_dues(self) -> None:
        """The table says what the states say, and never wakes too late."""
        rows = await self.service.rows("select root, code, settled, at from due")
        stored = {(row["root"], row["code"]): (row["settled"], row["at"]) for row in rows}
        said = {(root, code): (one.settled, one.at) for root, mine in self.due.items() for code, one in mine.items()}
        if stored != said:
            raise Broken("the dues of the table are not those of the states")
        for root, checkpoints in self.rows.items():
            for code, checkpoint in checkpoints.items():
                settled, _ = stored.get((root, code), (None, None))
                if checkpoint.settles is not None and (settled is None or settled > checkpoint.settles):
                    raise Broken("a due day lies behind what the checkpoint waits for")

    async def _read_horizons(self) -> None:
        groups = {group[0].id: frozenset(one.id for one in group) for group in self.groups()}
        async with self.service.context.database.unit_of_work() as unit:
            loaded = await horizons.load(groups.values(), unit.connection)
        self._until = {
            root: {
                kind: None if (at := loaded[ids].until[kind]) is None else _last_whole_day(at, self.zone)
                for kind in KINDS
            }
            for root, ids in groups.items()
        }

    def _compare(self, before: HeldWarning | None, now: HeldWarning) -> None:
        if now.condition == "retracted":
            self.retracted.add(now.id)
        elif now.id in self.retracted:
            raise Broken("a retracted warning came back")
        if before is not None and before.condition == "retracted" and before != now:
            raise Broken("a retracted warning changed")

    async def _judge(self, since: datetime | None) -> None:
        async with self.service.context.database.unit_of_work() as unit:
            await customers.lock_shared(unit.connection)
            await judge_customers(Touch({party.id: since for party in self.parties}), unit, self.zone)

    async def _save_version(self, version: RuleVersion) -> None:
        self.versions.append(version)
        await self._insert(version)
        await self._judge(version.valid_from)

    async def _insert(self, version: RuleVersion) -> None:
        parameters = msgspec.json.encode(version.parameters).decode()
        await self.service.rows(_SAVE_VERSION, version.code, version.version, version.valid_from, parameters)

    async def _command(self, rng: random.Random) -> None:
        alive = [one for one in await self.service.warnings() if one.firing]
        if not alive:
            return
        actor, one = "u1", rng.choice(alive)
        until = self.now + timedelta(days=rng.randint(1, 20))
        close = Close(actor=actor, cause="x", countermeasure="y", outcome="useful", accepted_risk_until=until)
        try:
            await self.service.do(one.id, close if rng.random() < 0.5 else Acknowledge(actor=actor, until=until))
        except ForewarnError:
            return


def _last_whole_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date() - timedelta(days=1)


assert {rule.code for rule in RULES} == {version.code for version in FIRST}
