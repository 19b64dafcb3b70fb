"""Churn: the customer has been silent for longer than his own cadence allows. Ended by a new order.

Defaults and their source: `parameters.ChurnParameters`. BG/NBD and the recovered watch are not in this rule.
"""

from datetime import date
from itertools import pairwise
from typing import ClassVar, Final
from uuid import UUID

from msgspec import Struct, field

from services.alerting.domain.episode import Level, Proof
from services.alerting.domain.facts import Fact, OrderDay, RuleVersion
from services.alerting.domain.parameters import ChurnParameters
from shared.events.alerting import DocumentRef, Evidence

KEPT_DAYS: Final = 50
"""Order days the cadence is taken from, the latest ones: the state is bounded, and old habits fade."""

KEPT_DOCUMENTS: Final = 20

_SCOPES: Final = ("",)


class ChurnState(Struct, array_like=True):
    """Days are ordinals."""

    parameters: ChurnParameters = ChurnParameters()
    version: int = 0
    """0 = no version is in force yet, so nothing is judged."""
    day: int = 0
    days: list[int] = field(default_factory=list)
    """The latest order days."""
    allowed: int = 0
    """Silence allowed for `warning`, in days; 0 = fewer order days than the minimum."""
    documents: list[str] = field(default_factory=list)
    count: int = 0


class Churn:
    """Silence > max(floor, min(cap, 3 x median gap)) whole days -> warning, at twice that critical.

    The first silent day is the one after the last order day, so a silence of n days is over n when day
    last + n + 1 begins. Gaps lie between consecutive order days; several orders of one day are one.
    """

    code: ClassVar[str] = "churn"
    build: ClassVar[int] = 1
    reads: ClassVar[frozenset[type]] = frozenset({RuleVersion, OrderDay})
    needs: ClassVar[frozenset[str]] = frozenset({"order"})
    state: ClassVar[type[ChurnState]] = ChurnState
    end_reason: ClassVar[str] = "ordered"

    def start(self, root: UUID) -> ChurnState:  # noqa: ARG002 - all members count alike
        return ChurnState()

    def apply(self, state: ChurnState, fact: Fact) -> tuple[str, ...]:
        state.day = fact.day
        if isinstance(fact.body, RuleVersion):
            state.parameters, state.version = ChurnParameters(**fact.body.parameters), fact.body.version
            state.allowed = _allowed(state)
            return _SCOPES
        state.count += 1
        state.documents.append(fact.key)
        del state.documents[:-KEPT_DOCUMENTS]
        if not state.days or fact.day > state.days[-1]:
            state.days.append(fact.day)
            del state.days[:-KEPT_DAYS]
            state.allowed = _allowed(state)
        return _SCOPES

    def next_due(self, state: ChurnState) -> int | None:
        if not state.allowed:
            return None
        for silence in self._lines(state):
            if (due := state.days[-1] + silence + 1) > state.day:
                return due
        return None

    def advance(self, state: ChurnState, day: int) -> tuple[str, ...]:
        state.day = day
        return _SCOPES

    def present(self, state: ChurnState, scope: str, held: Level) -> Level:  # noqa: ARG002
        return 0

    def absent(self, state: ChurnState, scope: str) -> Level:  # noqa: ARG002
        if not state.allowed:
            return 0
        silence = state.day - state.days[-1]
        return sum(silence > line for line in self._lines(state))

    def waits(self, state: ChurnState, scope: str, settled: int | None) -> int | None:  # noqa: ARG002 - there is one
        if settled is None or not state.days:
            return None
        first = max(settled, state.days[-1])
        return first if first < state.day else None

    def prove(self, state: ChurnState, scope: str, level: Level, settled: int | None) -> Proof:  # noqa: ARG002
        last = state.days[-1]
        warning, critical = self._lines(state)
        silence = state.day - last if settled is None else min(state.day, settled) - last
        numbers = {
            "silent_days": str(max(0, silence)),
            "allowed_days": str(warning),
            "critical_days": str(critical),
            "median_gap_days": _half(_median_twice(state.days)),
            "order_days": str(len(state.days)),
            "last_order_day": date.fromordinal(last).isoformat(),
        }
        parameters = state.parameters
        formula = (
            f"silent_days > max({parameters.floor_days}, "
            f"min({parameters.cap_days}, {parameters.gap_percent}% x median_gap_days))"
        )
        documents = tuple(DocumentRef("order", key) for key in reversed(state.documents))
        evidence = Evidence(
            numbers=numbers,
            formula=formula,
            documents=documents,
            document_count=state.count,
            clears={"document": "order"},
        )
        return Proof(state.version, evidence)

    @staticmethod
    def _lines(state: ChurnState) -> tuple[int, int]:
        return state.allowed, state.allowed * state.parameters.critical_percent // 100


def _allowed(state: ChurnState) -> int:
    parameters = state.parameters
    if not state.version or len(state.days) < parameters.minimum_order_days:
        return 0
    own = _median_twice(state.days) * parameters.gap_percent // 200
    return max(parameters.floor_days, min(parameters.cap_days, own))


def _median_twice(days: list[int]) -> int:
    """Twice the median gap: whole, also between two middle gaps."""
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    middle = len(gaps) // 2
    if not gaps:
        return 0
    return 2 * gaps[middle] if len(gaps) % 2 else gaps[middle - 1] + gaps[middle]


def _half(twice: int) -> str:
    return f"{twice // 2}.5" if twice % 2 else str(twice // 2)
