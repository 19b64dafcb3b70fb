"""What a rule is: pure steps over one group's facts. The fold decides when they happen and what may be judged."""

from collections.abc import Collection
from typing import Protocol, TypeVar
from uuid import UUID

from services.alerting.domain.episode import Level, Proof
from services.alerting.domain.facts import Fact

S = TypeVar("S")


class Rule(Protocol[S]):
    """One rule. States are msgspec Structs changed in place; days are proleptic ordinals.

    `time` and facts reach a rule in business order. A state knows the day it stands at (`apply` and `advance` tell).
    """

    @property
    def code(self) -> str:
        """Code of its warnings."""
        ...

    @property
    def build(self) -> int:
        """Version of this code: raised when the same facts give another state; voids checkpoints."""
        ...

    @property
    def reads(self) -> frozenset[type]:
        """Bodies of the facts it is about."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """Kinds whose absence it judges."""
        ...

    @property
    def state(self) -> type[S]:
        """Type of its state."""
        ...

    @property
    def end_reason(self) -> str:
        """How an episode ends unless a limit or a rule version ended it."""
        ...

    def start(self, root: UUID) -> S:
        """State before the first fact."""
        ...

    def apply(self, state: S, fact: Fact) -> Collection[str]:
        """Take a fact in; return the scopes it may have changed."""
        ...

    def next_due(self, state: S) -> int | None:
        """First day, later than the state's own, whose beginning alone may change something."""
        ...

    def advance(self, state: S, day: int) -> Collection[str]:
        """`day` (a `next_due`) begins; return the scopes it may have changed."""
        ...

    def present(self, state: S, scope: str, held: Level) -> Level:
        """Level of what is judged at once; `held` is the level so far, for hysteresis."""
        ...

    def absent(self, state: S, scope: str) -> Level:
        """Level of absence as of the state's day; the fold keeps it down beyond the horizon."""
        ...

    def waits(self, state: S, scope: str, settled: int | None) -> int | None:
        """The day that has to be settled before the numbers of `prove` say more; None: they are not held back."""
        ...

    def prove(self, state: S, scope: str, level: Level, settled: int | None) -> Proof:
        """Numbers, formula, documents and what would clear it. Absence counts up to the start of day `settled`."""
        ...
