"""One rule over a handful of documents, judged from scratch, for tests whose names are facts."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.alerting.domain import SHIPPED, Churn, CreditLimit, Episode, RuleVersion, evaluate, explode
from services.alerting.domain.explode import mark_seen, version_fact
from services.alerting.domain.fold import Evaluation
from shared.events import Document
from tests.support import builders as build

UTC = ZoneInfo("UTC")
CREDIT = CreditLimit()
CHURN = Churn()


def evaluation(
    rule: Any,
    *documents: Document,
    through: float | date | None = 300,
    now: datetime | None = None,
    versions: tuple[RuleVersion, ...] = SHIPPED,
    customers: tuple[str, ...] = ("C1",),
    zone: ZoneInfo = UTC,
) -> Evaluation:
    """`through`: J, as a day or in days after the start of all tests; `customers`: the group, root first."""
    judged = build.day(through).date() if isinstance(through, (int, float)) else through
    facts = [fact for document in documents for fact in explode(document, zone)]
    facts = [*(version_fact(version, zone) for version in versions), *mark_seen(facts)]
    members = [build.party(customer).id for customer in customers]
    return evaluate(rule, members, facts, judged, now or build.day(1000), zone)


def episodes(rule: Any, *documents: Document, **how: Any) -> list[Episode]:
    return list(evaluation(rule, *documents, **how).episodes)


def only(rule: Any, *documents: Document, **how: Any) -> Episode:
    """The one episode there must be."""
    (found,) = episodes(rule, *documents, **how)
    return found


def tiers(episode: Episode) -> list[str]:
    return [span.tier for span in episode.spans]


def midnight(number: float) -> datetime:
    """First instant of the day `number` days after the first."""
    return build.START.replace(hour=0) + timedelta(days=number)
