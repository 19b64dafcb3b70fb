"""Which limit decision counts for a customer: linked customers are one, so limits are chosen, never summed."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.events import CreditLimit


def limit_in_force(limits: Iterable[CreditLimit], root: UUID, as_of: datetime) -> CreditLimit | None:
    """Of one currency and all members of a group: the root's latest decision, else the latest of any member.

    None: nobody ever decided, which means `none` as well (DOMAIN section 1). A decision counts from `valid_from`, a
    temporary one up to `valid_to`. Alerting carries the same choice on fact by fact; a test holds both together.
    """
    counting = [one for one in limits if in_force(one, as_of)]
    of_root = [one for one in counting if one.party.id == root]
    return max(of_root or counting, key=_decided, default=None)


def in_force(limit: CreditLimit, as_of: datetime) -> bool:
    """Whether the decision counts at this instant, if no later one does."""
    return limit.live and limit.valid_from <= as_of and (limit.valid_to is None or as_of < limit.valid_to)


def _decided(limit: CreditLimit) -> tuple[datetime, str]:
    return limit.valid_from, limit.natural_key
