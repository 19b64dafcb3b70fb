"""C5 and C6: the watermark of a group and its episodes as a function of documents and watermark."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from tests.protocol_model.database import Transaction
from tests.protocol_model.groups import closure, groups_of, root_of
from tests.protocol_model.oracle import look_at_a_verdict
from tests.protocol_model.safeguards import Safeguards
from tests.protocol_model.snapshots import RULES, SOURCES, Rule, Snapshot, beat_id, partition_of
from tests.protocol_model.store import NEVER, Letter, LetterKey
from tests.protocol_model.timers import fire_timers
from tests.protocol_model.world import World

Calendar = dict[tuple[str, str], list[int]]
"""(customer, kind) -> business days of his live documents."""


def calendar_of(documents: Iterable[Snapshot]) -> Calendar:
    found: Calendar = {}
    for document in documents:
        if document.live:
            for party in document.parties:
                found.setdefault((party, document.kind), []).append(document.at)
    return found


def episodes_of(rule: Rule, members: tuple[str, ...], calendar: Calendar, watermark: int) -> set[int]:
    """C6: t is an episode if t + D <= W and nothing that closes lies in (t, t + D]."""
    opening = {day for member in members for day in calendar.get((member, rule.opens), ())}
    closing = sorted({day for member in members for day in calendar.get((member, rule.closes), ())})
    return {
        day
        for day in opening
        if day + rule.patience <= watermark and not any(day < other <= day + rule.patience for other in closing)
    }


@dataclass(frozen=True)
class Horizon:
    """How far absence may be judged, as one transaction sees it."""

    safeguards: Safeguards
    beats: dict[str, Snapshot]
    letters: dict[LetterKey, Letter]
    judged: dict[tuple[str, str], int]

    def frozen(self, customer: str) -> bool:
        """C3: asked of the dead letters, not kept as a flag."""
        part = partition_of(customer)
        return self.safeguards.frozen_by_dead_letters and any(
            not letter.resolved and (letter.customer == customer or (letter.customer is None and letter.part == part))
            for letter in self.letters.values()
        )

    def of(self, customer: str, rule: Rule) -> int:
        """A frozen customer stays where he was judged last; nobody is ever judged less far than he was."""
        judged = self.judged.get((customer, rule.name), NEVER)
        if self.frozen(customer):
            return judged
        return max(judged, min(self._kind(kind, partition_of(customer)) for kind in (rule.opens, rule.closes)))

    def of_group(self, members: tuple[str, ...], root: str, rule: Rule) -> int:
        asked = members if self.safeguards.watermark_of_all_members else (root,)
        return min(self.of(member, rule) for member in asked)

    def _kind(self, kind: str, part: int) -> int:
        place = f"@{part}" if self.safeguards.beat_in_every_partition else ""
        beats = [self.beats.get(beat_id(source, kind) + place) for source in SOURCES[kind]]
        days = [beat.at if beat else NEVER for beat in beats]
        return min(days) if self.safeguards.watermark_of_all_sources else max(days)


def judge(world: World, tx: Transaction, touched: set[str], horizon: Horizon, applied: list[Snapshot]) -> None:
    """Bring the episodes of every touched group to what the documents and the horizon say now."""
    links = list(tx.rows(world.store.links).values())
    groups = groups_of(links)
    calendar = calendar_of(tx.rows(world.store.documents).values())
    for members in sorted({groups.get(customer, (customer,)) for customer in closure(groups, touched)}):
        root = root_of(members, links)
        for rule in RULES:
            watermark = horizon.of_group(members, root, rule)
            if rule.name == "churn" and not world.safeguards.episodes_are_a_function:
                fire_timers(world, tx, rule, members, root, watermark, applied)
                continue
            _settle(world, tx, rule, members, root, episodes_of(rule, members, calendar, watermark))
            for member in members:
                if not horizon.frozen(member):
                    tx.put(world.store.judged, (member, rule.name), horizon.of(member, rule))


def _settle(world: World, tx: Transaction, rule: Rule, members: tuple[str, ...], root: str, days: set[int]) -> None:
    stored = tx.rows(world.store.episodes)
    wanted = {(rule.name, root, day) for day in days}
    held = {key for key, is_open in stored.items() if is_open and key[0] == rule.name and key[1] in members}
    for key in sorted(held - wanted):
        tx.put(world.store.episodes, key, False)
        tx.at_commit(partial(world.truth.withdrawn, key))
        tx.at_commit(partial(look_at_a_verdict, world, key, members))
    for key in sorted(wanted - held):
        tx.put(world.store.episodes, key, True)
        tx.at_commit(partial(world.truth.opened, key, rule, members))
        tx.at_commit(partial(look_at_a_verdict, world, key, members))
