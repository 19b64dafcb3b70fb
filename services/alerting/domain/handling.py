"""Handling: what people do with a warning, and what runs out by itself. Never touches condition, spans or numbers."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.alerting.domain.episode import TIERS
from services.alerting.domain.warning import Change, HeldWarning
from shared.errors import Conflict, FieldError, Forbidden, InvalidInput
from shared.events.alerting import Handling, HandlingState, Outcome

MAX_ACCEPTED: Final = timedelta(days=90)
"""Longest a risk may be accepted while the condition is true."""

MAX_ACKNOWLEDGED: Final = timedelta(days=30)
"""Longest an acknowledgement may hold (ours): "later" must not mean never."""

ACKNOWLEDGED_FOR: Final = {"warning": timedelta(days=7), "critical": timedelta(days=2)}
"""How long an acknowledgement holds if nobody says (alerting.md 4.3)."""

_ORDER: Final[tuple[HandlingState, ...]] = ("new", "acknowledged", "investigating", "countermeasure", "closed")


class Acknowledge(Struct, frozen=True, kw_only=True):
    """Somebody has seen it and takes it on, up to `until`."""

    actor: str
    until: datetime | None = None
    note: str | None = None


class Investigate(Struct, frozen=True, kw_only=True):
    """The cause is being looked for."""

    actor: str
    note: str | None = None


class Counter(Struct, frozen=True, kw_only=True):
    """The cause is known and something is done about it."""

    actor: str
    cause: str
    countermeasure: str
    note: str | None = None


class Close(Struct, frozen=True, kw_only=True):
    """The end. While the condition is true only as accepted risk; a critical one needs a manager's check."""

    actor: str
    cause: str
    countermeasure: str
    outcome: Outcome
    manager: bool = False
    """The actor has the role manager; the caller knows roles, this module does not."""
    accepted_risk_until: datetime | None = None
    note: str | None = None


class Expire(Struct, frozen=True):
    """The clock: an acknowledgement or accepted risk that has run out becomes `new` again."""


Command = Acknowledge | Investigate | Counter | Close | Expire


def handle(warning: HeldWarning, command: Command, now: datetime) -> Change | None:
    """The warning after `command`; None if nothing changed. Raises `Conflict`, `InvalidInput` or `Forbidden`."""
    if isinstance(command, Expire):
        return _changed(warning, _expired(warning.handling, now))
    if warning.condition == "retracted":
        raise Conflict("warning_retracted", "The warning was taken back; there is nothing left to handle.")
    match command:
        case Acknowledge():
            return _changed(warning, _acknowledged(warning, command, now))
        case Investigate():
            return _changed(warning, _moved(warning, "investigating", command.actor, now, command.note))
        case Counter():
            _required(command)
            moved = _moved(warning, "countermeasure", command.actor, now, command.note)
            return _changed(warning, replace(moved, cause=command.cause, countermeasure=command.countermeasure))
        case Close():
            return _changed(warning, _closed(warning, command, now))


def expires_at(handling: Handling) -> datetime | None:
    """When `Expire` will change something, for the due job."""
    if handling.state == "acknowledged":
        return handling.acknowledged_until
    return handling.accepted_risk_until if handling.state == "closed" else None


def _expired(handling: Handling, now: datetime) -> Handling:
    until = expires_at(handling)
    if until is None or now < until:
        return handling
    return replace(handling, state="new", changed_at=now, acknowledged_until=None, accepted_risk_until=None)


def _acknowledged(warning: HeldWarning, command: Acknowledge, now: datetime) -> Handling:
    tier = TIERS[warning.episode.level] or "warning"
    until = command.until or now + ACKNOWLEDGED_FOR[tier]
    if not now < until <= now + MAX_ACKNOWLEDGED:
        raise _invalid("until", "acknowledged_until", "Choose a time in the next 30 days.")
    moved = _moved(warning, "acknowledged", command.actor, now, command.note)
    return replace(moved, acknowledged_until=until)


def _closed(warning: HeldWarning, command: Close, now: datetime) -> Handling:
    _required(command)
    if max(span.level for span in warning.episode.spans) == len(TIERS) - 1 and not command.manager:
        raise Forbidden("manager_required", "Closing a critical warning needs a manager's check.")
    until = command.accepted_risk_until
    if warning.condition == "firing" and until is None:
        raise Conflict("still_firing", "The condition is true: close it as accepted risk, with an end.")
    if until is not None and not now < until <= now + MAX_ACCEPTED:
        raise _invalid("accepted_risk_until", "accepted_risk_until", "Choose a time in the next 90 days.")
    return replace(
        _moved(warning, "closed", command.actor, now, command.note),
        cause=command.cause,
        countermeasure=command.countermeasure,
        outcome=command.outcome,
        accepted_risk_until=until if warning.condition == "firing" else None,
    )


def _moved(warning: HeldWarning, state: HandlingState, actor: str, now: datetime, note: str | None) -> Handling:
    held = warning.handling
    if _ORDER.index(held.state) > _ORDER.index(state) or held.state == "closed":
        raise Conflict("handling_moved_on", f"The warning is {held.state} already.")
    return replace(
        held, state=state, actor=actor, changed_at=now, acknowledged_until=None, note=note if note else held.note
    )


def _required(command: Counter | Close) -> None:
    missing = [name for name in ("cause", "countermeasure") if not getattr(command, name).strip()]
    if missing:
        fields = tuple(FieldError(name, "required", "Say it in a word or two.") for name in missing)
        raise InvalidInput("required", "Cause and countermeasure are required.", fields=fields)


def _invalid(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(code, message, fields=(FieldError(field, code, message),))


def _changed(warning: HeldWarning, handling: Handling) -> Change | None:
    if handling == warning.handling:
        return None
    return Change("handled", replace(warning, handling=handling), warning)
