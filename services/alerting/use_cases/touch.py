"""What a batch of documents touches: whom, since when, under which names, and what of it is declared history."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.alerting.domain import Fact, explode
from shared.events import Customer, Party
from shared.messaging.projection import Change


@dataclass(frozen=True, slots=True)
class Touch:
    """Customers to be judged anew."""

    since: dict[UUID, datetime | None]
    """Smallest time of any of their facts that is new, changed or gone; None: no fact is."""
    names: dict[UUID, Party] = field(default_factory=dict)
    """Parties with the names their sources give them."""
    seeded: dict[UUID, datetime] = field(default_factory=dict)
    """When the latest declared history about them was recorded."""
    regrouped: Collection[UUID] = ()
    """Parties whose group may be another now."""


def touch_of(changes: Sequence[Change], regrouped: Collection[UUID], zone: ZoneInfo) -> Touch:
    """What these changes of documents and links touch. Kinds no rule reads touch nobody."""
    touch = Touch(dict.fromkeys(regrouped), regrouped=regrouped)
    for change in changes:
        for party in change.document.parties():
            if party.external_id is not None:
                touch.names[party.id] = party
        for fact in _changed(change, zone):
            if fact.party is not None:
                before = touch.since.get(fact.party)
                touch.since[fact.party] = fact.at if before is None else min(before, fact.at)
        if getattr(change.document, "backfill", False):
            for party in change.document.parties():
                before = touch.seeded.get(party.id)
                touch.seeded[party.id] = max(before or change.recorded_at, change.recorded_at)
    return touch


def named_in(changes: Iterable[Change]) -> set[UUID]:
    """Customers whom these documents register under a name of a source."""
    return {
        party.id
        for change in changes
        if isinstance(change.document, Customer)
        for party in change.document.parties()
        if party.external_id is not None
    }


def _changed(change: Change, zone: ZoneInfo) -> list[Fact]:
    """Facts that are new, changed or gone."""
    after = explode(change.document, zone)
    if change.previous is None:
        return after
    before = explode(change.previous, zone)
    return [fact for fact in before if fact not in after] + [fact for fact in after if fact not in before]
