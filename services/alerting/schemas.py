"""What the alerting service reads and shows: people's commands, warnings with all that proves them, horizons."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, cast
from uuid import UUID

from pydantic import BaseModel, Field

from services.alerting.domain import Source
from services.alerting.repository import Transition
from shared.events import Warning as WarningDocument
from shared.events.alerting import Condition, HandlingState, Outcome, Tier
from shared.events.sources import Coverage, SourceKind
from shared.events.wording import sentence
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import Code, Input, LongText, When
from shared.messaging.customers import Known
from shared.messaging.document_store import Stored
from shared.messaging.horizon import Horizon

Cause = Annotated[Code, Field(description="Why it came about, as a code of the handling table.")]
Countermeasure = Annotated[Code, Field(description="What is done about it, as a code of the handling table.")]


class AcknowledgeIn(Input):
    """I have seen it and take it on; up to `until`, else 7 days, 2 if it is critical."""

    until: When | None = None
    note: LongText | None = None


class InvestigateIn(Input):
    """The cause is being looked for."""

    note: LongText | None = None


class CounterIn(Input):
    """The cause is known and something is done about it."""

    cause: Cause
    countermeasure: Countermeasure
    note: LongText | None = None


class CloseIn(Input):
    """The end. While the condition is true only as an accepted risk with an end; a critical one needs a manager."""

    cause: Cause
    countermeasure: Countermeasure
    outcome: Outcome
    accepted_risk_until: When | None = None
    note: LongText | None = None


class SentenceOut(BaseModel):
    """The same statement in both languages."""

    en: str
    zh: str


class DocumentOut(BaseModel):
    """A document behind a warning, by kind and natural key (`source/number`); `counts`: what it adds to the debt."""

    kind: str
    key: str
    counts: str | None


class EvidenceOut(BaseModel):
    """Why: figures, the formula they go into, the documents they come from, what would clear it."""

    numbers: dict[str, str]
    formula: str
    rule_version: int
    documents: list[DocumentOut]
    document_count: int
    clears: dict[str, str]


class SpanOut(BaseModel):
    """From `since` on it stood at `tier`, with these numbers."""

    since: datetime
    tier: Tier
    numbers: dict[str, str]


class HandlingOut(BaseModel):
    """What people did."""

    state: HandlingState
    actor: str | None
    changed_at: datetime | None
    acknowledged_until: datetime | None
    cause: str | None
    countermeasure: str | None
    outcome: Outcome | None
    accepted_risk_until: datetime | None
    note: str | None


class WarningOut(BaseModel):
    """One episode of one rule about one customer."""

    id: UUID
    revision: int
    code: str
    scope: str
    customer: CustomerRef
    members: list[CustomerRef]
    condition: Condition
    tier: Tier
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    sentence: SentenceOut
    evidence: EvidenceOut
    spans: list[SpanOut]
    handling: HandlingOut
    suppression: list[str]
    retraction: str | None
    into: UUID | None
    previous: UUID | None
    recorded_at: datetime


class TransitionOut(BaseModel):
    """What was said, or done, then."""

    at: datetime
    reason: str
    revision: int
    condition: Condition
    tier: Tier
    handling: HandlingState
    actor: str | None
    numbers: dict[str, str]


class HeldBackOut(BaseModel):
    """What keeps the absence of a kind from being judged further."""

    code: str
    subject: str


class HorizonOut(BaseModel):
    """Up to when the absence of one kind may be judged for a customer, and has been."""

    kind: SourceKind
    until: datetime | None
    judged_through: date | None
    held_back_by: list[HeldBackOut]


class SourceOut(BaseModel):
    """A source and one kind it delivers, as alerting has heard of it."""

    source: str
    kind: SourceKind
    coverage: Coverage
    rhythm_hours: int | None
    activated_at: datetime
    complete_until: datetime | None
    retired_at: datetime | None
    late: bool
    rules_kept_closed: list[str]
    """Rules that judge nothing new by absence while it is late."""


class SourcesOut(BaseModel):
    """Every source."""

    items: list[SourceOut]


def show_warning(stored: Stored, known: Mapping[UUID, Known]) -> WarningOut:
    """The warning as it stands, with names and its sentence."""
    warning = cast("WarningDocument", stored.document)
    customer = customer_ref(warning.root, known)
    said = sentence(warning, customer.company_name or customer.external_id or str(customer.id))
    evidence, handling = warning.evidence, warning.handling
    return WarningOut(
        id=stored.id,
        revision=stored.revision,
        code=warning.code,
        scope=warning.scope,
        customer=customer,
        members=[customer_ref(member, known) for member in warning.members],
        condition=warning.condition,
        tier=warning.tier,
        started_at=warning.started_at,
        ended_at=warning.ended_at,
        end_reason=warning.end_reason,
        sentence=SentenceOut(en=said.en, zh=said.zh),
        evidence=EvidenceOut(
            numbers=evidence.numbers,
            formula=evidence.formula,
            rule_version=warning.rule_version,
            documents=[DocumentOut(kind=one.kind, key=one.key, counts=one.counts) for one in evidence.documents],
            document_count=evidence.document_count,
            clears=evidence.clears,
        ),
        spans=[SpanOut(since=span.since, tier=span.tier, numbers=span.numbers) for span in warning.spans],
        handling=HandlingOut(
            state=handling.state,
            actor=handling.actor,
            changed_at=handling.changed_at,
            acknowledged_until=handling.acknowledged_until,
            cause=handling.cause,
            countermeasure=handling.countermeasure,
            outcome=handling.outcome,
            accepted_risk_until=handling.accepted_risk_until,
            note=handling.note,
        ),
        suppression=list(warning.suppression),
        retraction=warning.retraction,
        into=UUID(warning.into) if warning.into else None,
        previous=UUID(warning.previous) if warning.previous else None,
        recorded_at=stored.recorded_at,
    )


def show_transition(transition: Transition) -> TransitionOut:
    """What was said or done then."""
    return TransitionOut(
        at=transition.at,
        reason=transition.reason,
        revision=transition.revision,
        condition=transition.condition,
        tier=transition.tier,
        handling=transition.handling,
        actor=transition.actor,
        numbers=transition.numbers,
    )


def show_horizon(found: Horizon, judged: Mapping[str, date | None]) -> list[HorizonOut]:
    """One entry per kind whose absence is judged."""
    return [
        HorizonOut(
            kind=cast("SourceKind", kind),
            until=found.until[kind],
            judged_through=day,
            held_back_by=[HeldBackOut(code=one.code, subject=one.subject) for one in found.reasons[kind]],
        )
        for kind, day in judged.items()
    ]


def show_source(source: Source, now: datetime) -> SourceOut:
    """A source as alerting has heard of it."""
    return SourceOut(
        source=source.source,
        kind=source.kind,
        coverage=source.coverage,
        rhythm_hours=source.rhythm_hours,
        activated_at=source.activated_at,
        complete_until=source.complete_until,
        retired_at=source.retired_at,
        late=source.late(now),
        rules_kept_closed=list(source.closes),
    )
