"""Checkpoints: a fold written down, so that the next one need not begin at the beginning; and when it must."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.alerting.domain.horizon import Judged, judged_through
from services.alerting.domain.rule import Rule, S
from shared.events.days import start_of


class Checkpoint(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One rule's fold over one group. `state` and `head` are opaque bytes; everything decides by the rest."""

    code: str
    build: int
    """Version of the rule's code."""
    members: tuple[UUID, ...]
    """Root first, then the others in order."""
    cut: date | None
    """J when written: `state` holds the facts of days <= cut and every timer up to the start of the day after."""
    state: bytes
    head: bytes | None = None
    """The fold carried on through every fact known then; None: the same as `state`."""
    head_at: datetime | None = None
    """Instant of the last fact of the group that the head knows of, whether the rule reads it or not; None: the
    group had none after the cut."""
    head_pending: date | None = None
    """First day whose settling changes what `head` had to leave unjudged."""
    settles: date | None = None
    """First day whose settling can change anything (`Due.settled`)."""


class Due(Struct, frozen=True):
    """When a group must be judged again although no document changes: at J >= `settled`, or at now >= `at`."""

    settled: date | None = None
    at: datetime | None = None


Mode = Literal["head", "tail", "all"]


class Need(Struct, frozen=True):
    """Which facts a fold takes in: `head` those later than `after`, `tail` those at `after` or later, `all` all."""

    mode: Mode
    after: datetime | None = None


def needs(
    rule: Rule[S],
    checkpoint: Checkpoint | None,
    members: Iterable[UUID],
    through: date | None,
    since: datetime | None,
    zone: ZoneInfo,
) -> Need:
    """What must be handed in for this rule and group.

    `members`: root first. `through`: J(group, rule). `since`: smallest `at` of any fact that is new, changed or gone
    (of the old and of the new snapshot), None if only J or the clock moved.
    """
    if checkpoint is None or checkpoint.build != rule.build or checkpoint.members != group_key(members):
        return Need("all")
    cut = checkpoint.cut
    head_at = checkpoint.head_at
    if cut == through and head_at is not None and (since is None or since > head_at):
        return Need("head", head_at)
    if cut is None or through is None or through < cut:
        return Need("all")
    floor = start_of(cut + timedelta(days=1), zone)
    if since is not None and since < floor:
        return Need("all")
    return Need("tail", floor)


def reach(
    rules: Iterable[Rule[S]],
    checkpoints: Mapping[str, Checkpoint],
    members: Iterable[UUID],
    judged: Judged,
    since: datetime | None,
    zone: ZoneInfo,
) -> Need:
    """The widest need of several rules: load what it says and every rule is served."""
    members = tuple(members)
    found = [
        needs(rule, checkpoints.get(rule.code), members, judged_through(judged, members, rule.needs), since, zone)
        for rule in rules
    ]
    afters = [need.after for need in found if need.after is not None]
    if any(need.mode == "all" for need in found) or len(afters) < len(found):
        return Need("all")
    mode: Mode = "tail" if any(need.mode == "tail" for need in found) else "head"
    return Need(mode, min(afters))


def group_key(members: Iterable[UUID]) -> tuple[UUID, ...]:
    """Members with the root first and the others in order."""
    ids = tuple(members)
    return ids if len(ids) < 3 else (ids[0], *sorted(ids[1:]))
