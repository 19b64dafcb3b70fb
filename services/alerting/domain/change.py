"""Changes: what happens to a warning when it is opened, keeps an episode, is joined, retracted or left unjudged.

Handling is touched in two cases only: a raise above what was told, and a reopening, drop the acknowledgement.
"""

from uuid import UUID

from msgspec.structs import replace

from services.alerting.domain.episode import Episode
from services.alerting.domain.matching import Judgement, Match
from services.alerting.domain.warning import Change, HeldWarning, Reason, suppression
from shared.events.alerting import Handling


def opened(found: Match, identifier: UUID, previous: UUID | None) -> Change:
    """A new warning; for an episode that has ended it is recorded as resolved."""
    episode, judgement = _episode(found), found.judgement
    return Change(
        "opened",
        HeldWarning(
            id=identifier,
            code=judgement.code,
            root=judgement.root,
            members=judgement.members,
            condition="firing" if episode.ended is None else "resolved",
            episode=episode,
            told=episode.level if episode.ended is None else 0,
            suppression=suppression(episode.spans, judgement.seeded_until),
            previous=previous,
        ),
    )


def matched(found: Match) -> Change | None:
    """A held warning and its fate; None if nothing about it changed."""
    held = found.held
    if held is None:
        raise ValueError("an `open` match has no warning yet")
    if found.action == "keep":
        return _keep(held, _episode(found), found.judgement)
    if found.action == "unjudge":
        waits = replace(
            held,
            root=found.judgement.root,
            members=found.judgement.members,
            unjudged=True,
            suppression=("unjudged",),
        )
        return None if waits == held else Change("corrected", waits, held)
    retracted = replace(held, condition="retracted", unjudged=False, into=found.into)
    reason = "joined" if found.action == "join" else found.action
    return Change("retracted", replace(retracted, retraction=reason), held)


def _keep(held: HeldWarning, episode: Episode, judgement: Judgement) -> Change | None:
    reason, told, handling = _transition(held, episode)
    kept = replace(
        held,
        root=judgement.root,
        members=judgement.members,
        condition="firing" if episode.ended is None else "resolved",
        unjudged=False,
        episode=episode,
        told=told,
        handling=handling,
        suppression=suppression(episode.spans, judgement.seeded_until),
    )
    return None if kept == held else Change(reason, kept, held)


def _transition(held: HeldWarning, episode: Episode) -> tuple[Reason, int, Handling]:
    if episode.ended is not None:
        return ("resolved" if held.condition == "firing" else "corrected"), held.told, held.handling
    if held.condition == "resolved":
        return "reopened", episode.level, _back(held.handling)
    if episode.level > held.told:
        return "raised", episode.level, _back(held.handling)
    return ("lowered" if episode.level < held.episode.level else "corrected"), held.told, held.handling


def _back(handling: Handling) -> Handling:
    """Acknowledged or closed becomes new; what people found out and work in progress stay."""
    if handling.state not in ("acknowledged", "closed"):
        return handling
    return replace(handling, state="new", acknowledged_until=None, accepted_risk_until=None)


def _episode(found: Match) -> Episode:
    if found.episode is None:
        raise ValueError(f"a `{found.action}` match has no episode")
    return found.episode
