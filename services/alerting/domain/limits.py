"""Limit decisions: which one counts for a group. Links mean one and the same customer, so limits are never summed."""

from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from services.alerting.domain.facts import Fact, LimitEnded, LimitSet


class Decision(Struct, array_like=True):
    """A decision in force for one member in one currency."""

    key: str
    party: UUID
    limit: Literal["unlimited", "amount", "none"]
    amount: int
    temporary: bool


class Limits(Struct, array_like=True):
    """Decisions in force by currency, in the order decided. Bounded: a permanent one ends all before it."""

    root: UUID
    decisions: dict[str, list[Decision]] = field(default_factory=dict)

    def apply(self, fact: Fact, body: LimitSet | LimitEnded) -> None:
        """A decision, or the end of a temporary one."""
        held = self.decisions.get(body.currency, [])
        if isinstance(body, LimitEnded):
            held = [one for one in held if one.key != fact.key]
        elif fact.party is not None:
            if not body.temporary:
                held = [one for one in held if one.party != fact.party]
            held = [*held, Decision(fact.key, fact.party, body.limit, body.amount, body.temporary)]
        self.decisions[body.currency] = held

    def of(self, currency: str) -> Decision | None:
        """The root's latest decision, else the latest of any member; None = nobody ever decided."""
        held = self.decisions.get(currency)
        if not held:
            return None
        return next((one for one in reversed(held) if one.party == self.root), held[-1])

    def elsewhere(self, currency: str) -> bool:
        """Whether a limit stands in another currency, so that only a rate is missing."""
        return any(held for other, held in self.decisions.items() if other != currency)
