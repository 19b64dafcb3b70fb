"""Held warnings: what the service remembers of an episode it told about, and the document it publishes of it."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from services.alerting.domain.episode import Episode, Level, Span, hushed
from services.alerting.domain.facts import Hush
from shared.events import Party
from shared.events import Warning as WarningDocument
from shared.events.alerting import Handling
from shared.events.alerting import Span as PublishedSpan

Held = Literal["firing", "resolved", "retracted"]

Reason = Literal["opened", "raised", "lowered", "resolved", "reopened", "corrected", "retracted", "handled"]

Retraction = Literal["documents_changed", "regrouped", "joined"]

_REASONS: Final = {Hush.SEEDED: "seeded", Hush.HISTORY: "history"}


class HeldWarning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that must be stored of a warning; unique while firing and not `unjudged`: (code, root, scope)."""

    id: UUID
    code: str
    root: Party
    members: tuple[Party, ...]
    """The group it was last judged with, root first."""
    condition: Held
    unjudged: bool = False
    """The horizon fell behind its start (a link): hidden, keeps id and handling, waits for the horizon."""
    episode: Episode
    told: Level = 0
    """Highest level published in this firing: only above it a raise drops the acknowledgement."""
    handling: Handling = Handling()
    suppression: tuple[str, ...] = ()
    """Why nothing is pushed: `seeded`, `history` (see `suppression`), `unjudged`."""
    retraction: Retraction | None = None
    into: UUID | None = None
    """The warning it was joined into (`retraction` is then "joined")."""
    previous: UUID | None = None

    @property
    def firing(self) -> bool:
        """True and shown."""
        return self.condition == "firing" and not self.unjudged


class Change(Struct, frozen=True):
    """One transition: the warning as it now is, why, and as it was (None: it is new)."""

    reason: Reason
    warning: HeldWarning
    before: HeldWarning | None = None


def suppression(spans: tuple[Span, ...], seeded_until: datetime | None) -> tuple[str, ...]:
    """Why an episode must not push: every rise in it comes from imported or old documents. One live rise: ().

    A function of documents and their import flags; episodes, tiers and numbers do not depend on it.
    """
    causes = {hushed(span, seeded_until) for span in spans if span.rise}
    return () if Hush.NONE in causes else tuple(sorted(_REASONS[cause] for cause in causes))


def document(held: HeldWarning) -> WarningDocument:
    """The published snapshot. A retracted warning keeps its last spans and evidence, so that a correction can say
    what is taken back."""
    episode = held.episode
    return WarningDocument(
        code=held.code,
        rule_version=episode.proof.version,
        scope=episode.scope,
        root=held.root,
        members=held.members if len(held.members) > 1 else (),
        condition=held.condition,
        tier=episode.spans[-1].tier,
        started_at=episode.started,
        ended_at=episode.ended,
        end_reason=episode.end_reason,
        spans=tuple(PublishedSpan(span.since, span.tier, span.numbers) for span in episode.spans),
        evidence=episode.proof.evidence,
        handling=held.handling,
        suppression=held.suppression,
        retraction=held.retraction,
        into=None if held.into is None else str(held.into),
        previous=None if held.previous is None else str(held.previous),
    )
