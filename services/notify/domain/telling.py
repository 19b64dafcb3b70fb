"""What there is to say about warnings: decided from what each recipient was told last and from the snapshot alone.

A snapshot may come twice and some never come, so the reason of a revision is never looked at. Whoever is on the log
hears how it ends, whether or not the warning is still his business.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shared.events import Warning as WarningDocument
from shared.events.alerting import Tier

Told = Literal["firing", "raised", "lowered", "reopened", "resolved", "passed", "taken_back", "summary"]
"""What a line says. `passed`: it was true and is over, and nobody had been told. `reopened`: its end is taken back."""

State = Literal["firing", "resolved", "taken_back"]

_TIERS: Final[tuple[Tier, ...]] = ("info", "warning", "critical")
_STATES: Final[tuple[State, ...]] = ("taken_back", "resolved", "firing")


class Snapshot(Struct, frozen=True):
    """A warning as it stands here."""

    id: UUID
    revision: int
    recorded_at: datetime
    warning: WarningDocument


class Said(Struct, frozen=True):
    """What one recipient was told last about one warning."""

    state: State
    tier: Tier
    highest: Tier
    """Of this firing: back up to it is no news."""
    pushed: bool
    """Something of this firing was pushed, so its end is too."""


class Line(Struct, frozen=True):
    """One thing to say to one recipient."""

    recipient: str
    snapshot: Snapshot
    told: Told
    pushed: bool


Log = dict[tuple[UUID, str], Said]
"""By warning and recipient."""


def tell(
    snapshots: Mapping[UUID, Snapshot], log: Log, concerned: Mapping[UUID, Collection[str]]
) -> tuple[list[Line], Log]:
    """What is to be said, in the order in which it was recorded, and the log after that.

    `snapshots`: the warnings in question and those they were joined into; `log`: all that was said about them.
    """
    after = _gone_over(log, snapshots)
    on_log: dict[UUID, set[str]] = {}
    for warning, recipient in after:
        on_log.setdefault(warning, set()).add(recipient)
    lines: list[Line] = []
    for snapshot in sorted(snapshots.values(), key=lambda one: (one.recorded_at, one.id)):
        told_before, business = on_log.get(snapshot.id, set()), concerned[snapshot.id]
        if told_before and _standing(snapshot.warning) == "resolved":
            # It is over for those who were told; whoever is in charge now has nothing to do with it.
            business = ()
        for recipient in sorted(told_before.union(business)):
            key = (snapshot.id, recipient)
            decided = _decide(after.get(key), snapshot.warning, recipient in business)
            if decided is not None:
                told, after[key], pushed = decided
                lines.append(Line(recipient, snapshot, told, pushed))
    return lines, after


def destination(id_: UUID, snapshots: Mapping[UUID, Snapshot]) -> UUID:
    """The warning that a joined one goes on as, as far as it is known; any other is its own."""
    while (into := _joined_into(snapshots.get(id_))) is not None:
        id_ = into
    return id_


def is_seeded(warning: WarningDocument) -> bool:
    """It is true, and only declared history says so: counted in a summary instead of told."""
    return _standing(warning) == "firing" and warning.suppression == ("seeded",)


_Decision = tuple[Told, Said, bool]


def _decide(said: Said | None, warning: WarningDocument, concerned: bool) -> _Decision | None:
    match _standing(warning):
        case "firing":
            return _firing(said, warning, concerned)
        case "resolved":
            return _resolved(said, warning, concerned)
        case "retracted":
            return _retracted(said, warning)
    return None


def _firing(said: Said | None, warning: WarningDocument, concerned: bool) -> _Decision | None:
    tier, push = warning.tier, not warning.suppression
    if said is None:
        return ("firing", Said("firing", tier, tier, push), push) if concerned and not is_seeded(warning) else None
    if said.state != "firing":
        return "reopened", Said("firing", tier, tier, push), push
    now, last, highest = (_TIERS.index(one) for one in (tier, said.tier, said.highest))
    if now < last:
        return "lowered", replace(said, tier=tier), False
    if now == last or not concerned:
        return None
    push = push and now > highest
    return "raised", Said("firing", tier, _TIERS[max(now, highest)], said.pushed or push), push


def _resolved(said: Said | None, warning: WarningDocument, concerned: bool) -> _Decision | None:
    if said is None:
        # Over before anybody could hear of it, and old when it became known: history, not news.
        if not concerned or warning.suppression:
            return None
        return "passed", Said("resolved", warning.tier, warning.tier, pushed=False), False
    return ("resolved", replace(said, state="resolved"), said.pushed) if said.state == "firing" else None


def _retracted(said: Said | None, warning: WarningDocument) -> _Decision | None:
    if said is None or said.state == "taken_back":
        return None
    push = said.pushed and said.state == "firing" and warning.retraction != "regrouped"
    return "taken_back", replace(said, state="taken_back"), push


def _standing(warning: WarningDocument) -> Literal["firing", "resolved", "retracted", "joined", "unjudged"]:
    if warning.condition == "retracted" or not warning.live:
        return "retracted" if warning.into is None else "joined"
    if "unjudged" in warning.suppression:
        return "unjudged"
    return "resolved" if warning.condition == "resolved" else "firing"


def _joined_into(snapshot: Snapshot | None) -> UUID | None:
    if snapshot is None or _standing(snapshot.warning) != "joined":
        return None
    return UUID(snapshot.warning.into)


def _gone_over(log: Log, snapshots: Mapping[UUID, Snapshot]) -> Log:
    """The log in which whoever was told of a joined warning counts as told of the one it goes on as."""
    after: Log = {}
    for (warning, recipient), said in log.items():
        key = (destination(warning, snapshots), recipient)
        after[key] = _both((said, after[key])) if key in after else said
    return after


def _both(told: Iterable[Said]) -> Said:
    """What counts as told by somebody who was told of two warnings that are one."""
    lower, higher = sorted(told, key=lambda said: (_STATES.index(said.state), _TIERS.index(said.highest)))
    if lower.state != higher.state:
        return higher
    return replace(higher, tier=max(lower.tier, higher.tier, key=_TIERS.index), pushed=lower.pushed or higher.pushed)
