"""Judge: from facts, checkpoints and held warnings to a plan of what changes. The driver loads, calls and stores."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.alerting.domain.change import matched, opened
from services.alerting.domain.checkpoint import Checkpoint, Due
from services.alerting.domain.churn import Churn
from services.alerting.domain.credit_limit import CreditLimit
from services.alerting.domain.explode import mark_seen, version_fact
from services.alerting.domain.facts import Fact, RuleVersion
from services.alerting.domain.fold import evaluate
from services.alerting.domain.horizon import Judged, judged_through
from services.alerting.domain.matching import Judgement, match
from services.alerting.domain.parameters import SHIPPED
from services.alerting.domain.rule import Rule
from services.alerting.domain.warning import Change, HeldWarning
from shared.events import Party
from shared.events.days import day_of, start_of

RULES: Final[tuple[Rule[Any], ...]] = (CreditLimit(), Churn())
"""The rules an installation judges by."""


class GroupInput(Struct, frozen=True, kw_only=True):
    """One group of linked customers as it is now.

    Which facts to hand in says `reach(rules, checkpoints, members, judged, since, zone)`:
    `head`: every fact later than `after` (new ones, and those still waiting for the clock);
    `tail`: every fact at `after` or later; `all`: every fact of every member.
    "Every fact" goes by the instant of the fact, not of the document: an invoice issued before and cancelled after
    `after` is among them. Handing in more never changes the result, fewer makes it wrong.
    """

    members: tuple[Party, ...]
    """Root first."""
    facts: Sequence[Fact]
    """Of all members, in any order, each document once in its current revision (`explode`)."""
    named: Sequence[Fact] = ()
    """Facts of the members' invoices that payments among `facts` name (`named_invoices`), if not in `facts`."""
    judged: Judged
    """J per (member, kind), after `ratchet`; to be stored with the group."""
    checkpoints: Mapping[str, Checkpoint] = {}
    """By rule code, as the last plan gave them for this root; void ones are recognised."""
    since: datetime | None = None
    """Smallest `at` of all facts that are new, changed or gone since those checkpoints, of the old and the new
    snapshot; None if only J or the clock moved. A payment whose invoice comes or goes counts by the invoice's `at`."""
    seeded_until: datetime | None = None
    """Rises that time alone caused up to here were imported history: the last recorded time of the members'
    backfill documents, or the rule's first evaluation, whichever is later."""


class GroupPlan(Struct, frozen=True):
    """What to store of one group."""

    root: UUID
    checkpoints: dict[str, Checkpoint]
    """By rule code; replaces all the group had."""
    due: dict[str, Due]
    """By rule code: judge again, with `since=None`, once J(group, rule) >= `settled` or now >= `at`."""
    void: tuple[UUID, ...]
    """Members that are no root: whatever is stored under their id must be deleted, because it would look valid again
    when the link ends, and knows nothing of what came meanwhile."""


class Plan(Struct, frozen=True):
    """What to store and publish of one pass."""

    changes: tuple[Change, ...]
    """Warnings that changed, each once; those that no longer fire first, new ones last, so that storing them one by
    one keeps (code, root, scope) unique while firing."""
    groups: tuple[GroupPlan, ...]


def judge(
    groups: Sequence[GroupInput],
    held: Sequence[HeldWarning],
    *,
    now: datetime,
    zone: ZoneInfo,
    new_id: Callable[[], UUID],
    rules: Sequence[Rule[Any]] = RULES,
    versions: Sequence[RuleVersion] = SHIPPED,
) -> Plan:
    """Judge groups in one pass and match what comes out with the held warnings.

    `groups`: the closure: every group that a touched customer belongs to now, and, after a link or its end, every
    group that a member of the old group belongs to now. `held`: all warnings of any member that are not retracted,
    plus the latest retracted one per (code, root, scope) for `previous`; with `head` or `tail` those that ended
    before the cut may be left out. `versions`: all versions of all rules; after one is saved every group is due with
    its `valid_from` as `since`. Ids from `new_id` must ascend.
    """
    spread = [version_fact(version, zone) for version in versions]
    judgements: list[Judgement] = []
    plans: list[GroupPlan] = []
    for group in groups:
        plan = GroupPlan(group.members[0].id, {}, {}, tuple(member.id for member in group.members[1:]))
        ids = (plan.root, *plan.void)
        facts = [*spread, *mark_seen(group.facts, group.named)]
        for rule in rules:
            through = judged_through(group.judged, ids, rule.needs)
            base = group.checkpoints.get(rule.code)
            found = evaluate(rule, ids, facts, through, now, zone, base, group.since)
            plan.checkpoints[rule.code], plan.due[rule.code] = found.checkpoint, found.due
            if not found.unchanged:
                judgements.append(Judgement(rule.code, group.members, found, group.seeded_until))
        plans.append(plan)
    changes = _changes(held, judgements, zone, new_id)
    _wake_unjudged(plans, held, changes, zone)
    return Plan(tuple(changes), tuple(plans))


def _changes(
    held: Sequence[HeldWarning], judgements: Sequence[Judgement], zone: ZoneInfo, new_id: Callable[[], UUID]
) -> list[Change]:
    kept: list[Change] = []
    new: list[Change] = []
    last = {_thread(one): one.id for one in sorted(held, key=lambda one: one.id) if one.retraction != "joined"}
    for found in match(held, judgements, zone):
        if found.held is not None:
            change = matched(found)
            if change is not None:
                kept.append(change)
        elif found.episode is not None:
            thread = (found.judgement.code, found.judgement.root.id, found.episode.scope)
            new.append(opened(found, new_id(), last.get(thread)))
            last[thread] = new[-1].warning.id
    return [*sorted(kept, key=lambda change: change.warning.firing), *new]


def _thread(warning: HeldWarning) -> tuple[str, UUID, str]:
    return warning.code, warning.root.id, warning.episode.scope


def _wake_unjudged(
    plans: Sequence[GroupPlan], held: Sequence[HeldWarning], changes: Sequence[Change], zone: ZoneInfo
) -> None:
    """An unjudged warning waits for the horizon to reach its start, even if no timer of the fold does."""
    now = {one.id: one for one in held} | {change.warning.id: change.warning for change in changes}
    plan_of = {plan.root: plan for plan in plans}
    for one in now.values():
        plan = plan_of.get(one.root.id)
        if one.unjudged and plan is not None and one.code in plan.due:
            day = day_of(one.episode.started, zone)
            if one.episode.started == start_of(day, zone):
                day -= timedelta(days=1)
            plan.due[one.code] = _sooner(plan.due[one.code], day)


def _sooner(due: Due, day: date) -> Due:
    return Due(day if due.settled is None else min(day, due.settled), due.at)
