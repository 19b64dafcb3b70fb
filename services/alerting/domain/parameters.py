"""Parameters of the rules: their meaning, the shipped defaults, and how a version's figures become them."""

from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from services.alerting.domain.facts import RuleVersion


class CreditLimitParameters(Struct, frozen=True, array_like=True):
    """DOMAIN section 1 and alerting.md W1; the day figures follow warning-quality.md ("late payment")."""

    warning_percent: int = 100
    """Debt above this share of the limit is `warning`; more than 100 counts as 100."""
    critical_percent: int = 120
    """Debt of this share of the limit or more is `critical`."""
    hysteresis_points: int = 5
    """A tier is left below its line minus so many points of the limit now in force."""
    overdue_tolerance: int = 0
    """Overdue debt counts above this amount, in minor units."""
    overdue_warning_days: int = 5
    """`warning` if more than the tolerance is more than so many days overdue."""
    overdue_critical_days: int = 30
    """The same for `critical`."""


class ChurnParameters(Struct, frozen=True, array_like=True):
    """Own cadence with floor and cap, the fallback of DESIGN section 6 (warning-quality.md, event view)."""

    minimum_order_days: int = 3
    gap_percent: int = 300
    """Silence allowed, as a share of the median gap between order days."""
    floor_days: int = 30
    cap_days: int = 120
    critical_percent: int = 200
    """`critical` at this share of the silence allowed for `warning`."""


SHIPPED_FROM: Final = datetime(1970, 1, 1, tzinfo=UTC)

SHIPPED: Final[tuple[RuleVersion, ...]] = (
    RuleVersion("credit_limit", 1, SHIPPED_FROM, msgspec.structs.asdict(CreditLimitParameters())),
    RuleVersion("churn", 1, SHIPPED_FROM, msgspec.structs.asdict(ChurnParameters())),
)
"""The versions an installation starts with; the only place where they become facts."""
