"""Safeguards taken out of the fold, the match and the driver's contract, one at a time, by patching from outside."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from services.alerting.domain import checkpoint, fold, horizon, judging, matching
from services.alerting.domain.checkpoint import Need
from services.alerting.domain.credit_limit import CreditLimit
from services.alerting.domain.fold import Fold
from services.alerting.domain.ledger import Ledger

Mutation = Callable[[pytest.MonkeyPatch], None]


def no_refold_on_late_change(patch: pytest.MonkeyPatch) -> None:
    """A change at or behind the head is folded as if it came in order."""
    real = checkpoint.needs

    def needs(rule: Any, base: Any, members: Any, through: Any, _: Any, zone: Any) -> Need:
        return real(rule, base, members, through, None, zone)

    patch.setattr(fold, "needs", needs)
    patch.setattr(checkpoint, "needs", needs)


def no_refold_on_other_members(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint of other members is carried on."""
    real = checkpoint.needs

    def needs(rule: Any, base: Any, members: Any, through: Any, since: Any, zone: Any) -> Need:
        return real(rule, base, members if base is None else base.members, through, since, zone)

    patch.setattr(fold, "needs", needs)
    patch.setattr(checkpoint, "needs", needs)


def head_takes_facts_of_its_own_instant(patch: pytest.MonkeyPatch) -> None:
    """`since` equal to the head's instant counts as later."""
    real = checkpoint.needs

    def needs(rule: Any, base: Any, members: Any, through: Any, since: Any, zone: Any) -> Need:
        same = base is not None and since is not None and since == base.head_at
        return real(rule, base, members, through, None if same else since, zone)

    patch.setattr(fold, "needs", needs)
    patch.setattr(checkpoint, "needs", needs)


def no_tail_timers_in_due(patch: pytest.MonkeyPatch) -> None:
    """What the tail passed unjudged is forgotten."""
    patch.setattr(Fold, "_leave", lambda *_: None)


def no_look_behind_the_horizon(patch: pytest.MonkeyPatch) -> None:
    """Numbers that stopped at the horizon stay as they were made."""
    patch.setattr(CreditLimit, "waits", lambda *_: None)


def no_ratchet(patch: pytest.MonkeyPatch) -> None:
    """J follows the watermark down."""
    patch.setattr(horizon, "ratchet", lambda stored, watermark, *_: watermark or stored)


def older_warning_first(patch: pytest.MonkeyPatch) -> None:
    """The older warning takes the episode, whether it fires or not."""
    patch.setattr(matching, "_preference", lambda pair: (pair.held.id.int, pair.episode.started))


def rise_beyond_horizon(patch: pytest.MonkeyPatch) -> None:
    """Absence is judged wherever the fold stands."""
    patch.setattr(Fold, "allowed", lambda _, absent, *__: absent)


def no_wake_of_unjudged(patch: pytest.MonkeyPatch) -> None:
    """Nothing is due for a warning the horizon fell behind."""
    patch.setattr(judging, "_wake_unjudged", lambda *_: None)


def no_unjudged(patch: pytest.MonkeyPatch) -> None:
    """A warning the horizon fell behind is left firing instead."""
    real = matching._left_over

    def left_over(held: Any, by: Any, zone: Any) -> Any:
        found = real(held, by, zone)
        return matching.Match("keep", found.judgement, held, held.episode) if found.action == "unjudge" else found

    patch.setattr(matching, "_left_over", left_over)


def payments_forget_their_invoice(patch: pytest.MonkeyPatch) -> None:
    """The bit `seen` is never set, so money for a paid invoice is kept for it."""
    patch.setattr(judging, "mark_seen", lambda facts, _: list(facts))


def reserved_for_ever(patch: pytest.MonkeyPatch) -> None:
    """Money kept for an unknown invoice is never freed."""

    def begin(self: Ledger, day: int, lines: Any) -> None:
        self.day = day
        self.recount(lines)

    patch.setattr(Ledger, "begin", begin)


def facts_before_timers(patch: pytest.MonkeyPatch) -> None:
    """A timer fires after the facts of its day, not before."""
    real = Fold.advance
    patch.setattr(Fold, "advance", lambda self, to: real(self, to - 1))


RED: Final[tuple[Mutation, ...]] = (
    no_refold_on_late_change,
    no_refold_on_other_members,
    head_takes_facts_of_its_own_instant,
    no_tail_timers_in_due,
    no_look_behind_the_horizon,
    no_ratchet,
    older_warning_first,
    rise_beyond_horizon,
    no_unjudged,
    payments_forget_their_invoice,
    reserved_for_ever,
    facts_before_timers,
)
