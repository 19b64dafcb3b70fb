"""Documents of the alerting service: warnings, each with what proves it and what people did about it."""

from datetime import datetime
from typing import ClassVar, Literal

from msgspec import Struct

from shared.events.document import Document, Instant, Party

Tier = Literal["info", "warning", "critical"]
Condition = Literal["firing", "recovering", "resolved", "retracted"]
HandlingState = Literal["new", "acknowledged", "investigating", "countermeasure", "closed"]
Outcome = Literal["confirmed", "useful", "false_alarm"]


class DocumentRef(Struct, frozen=True, omit_defaults=True):
    """A document behind a warning, by kind and natural key (`source/number`)."""

    kind: str
    key: str
    counts: str | None = None
    """What it adds to the debt, as a decimal string: money with a minus, and only what of it is left or paid an open
    claim. The sum over all documents is the debt; where fewer are listed than counted, the rest is not shown."""


class Span(Struct, frozen=True, omit_defaults=True):
    """From `since` on the warning stood at `tier`, with these numbers."""

    since: Instant
    tier: Tier
    numbers: dict[str, str]


class Evidence(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why: figures as decimal strings, the formula they go into, the documents they come from, what would clear it."""

    numbers: dict[str, str]
    """Amounts are decimal strings in the currency of the warning's scope."""
    formula: str
    documents: tuple[DocumentRef, ...] = ()
    document_count: int = 0
    """All documents behind it; `documents` lists at most the latest 20."""
    clears: dict[str, str] = {}
    """What ends the warning, e.g. {"pay": "1200.00"} or {"document": "order"}."""


class Handling(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What people did; never derived from documents."""

    state: HandlingState = "new"
    actor: str | None = None
    """Who acted last: the subject of his token."""
    changed_at: Instant | None = None
    acknowledged_until: Instant | None = None
    cause: str | None = None
    countermeasure: str | None = None
    outcome: Outcome | None = None
    accepted_risk_until: Instant | None = None
    """Closed although the condition was true, up to here."""
    note: str | None = None


class Warning(Document, frozen=True, kw_only=True, omit_defaults=True):  # noqa: A001 - the domain's word
    """One episode of one rule about one customer (the root of his group), from its first breach to its end."""

    kind: ClassVar[str] = "warning"
    reasons: ClassVar[frozenset[str]] = frozenset(
        {"opened", "raised", "lowered", "resolved", "reopened", "corrected", "retracted", "handled"}
    )

    code: str
    """credit_limit, sales_decline, expense_overrun, churn, major_change or system_*."""
    rule_version: int
    scope: str = ""
    """What the rule is about besides the customer: the currency of a credit warning."""
    root: Party
    members: tuple[Party, ...] = ()
    """The customers judged together, if there is more than one."""
    condition: Condition
    """What the documents say; people's acts never change it."""
    tier: Tier
    """Where it stands, or stood last."""
    started_at: Instant
    """Business time, as `ended_at`: late documents may move both."""
    ended_at: Instant | None = None
    end_reason: str | None = None
    """How it ended, e.g. "recovered" or "ordered"."""
    spans: tuple[Span, ...] = ()
    """Its tiers over time, oldest first."""
    evidence: Evidence
    handling: Handling = Handling()
    suppression: tuple[str, ...] = ()
    """Why nothing is pushed although the condition holds: "seeded", "history", "unjudged"."""
    retraction: str | None = None
    """Why it never was true: "documents_changed", "regrouped", "joined"."""
    into: str | None = None
    """Id of the warning it was joined into."""
    previous: str | None = None
    """Id of the last warning of the same rule, customer and scope."""

    @property
    def natural_key(self) -> str:
        return f"{self.code}/{self.root.natural_key}/{self.scope}/{self.started_at.isoformat()}"

    @property
    def at(self) -> datetime:
        return self.started_at

    def parties(self) -> tuple[Party, ...]:
        return (self.root,)
