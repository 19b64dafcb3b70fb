"""Whose business a warning is, and whose inboxes a person reads. A recipient is `user:<subject>` or `role:<role>`."""

from collections.abc import Collection
from typing import Final

from shared.events import Warning as WarningDocument

MANAGER: Final = "role:manager"

_ROLES: Final = {"credit_limit": ("role:credit",)}
"""Told at once besides the owner (DOMAIN section 1)."""

_SYSTEM: Final = frozenset({"role:ops", "role:admin"})

ROLE_INBOXES: Final = frozenset({MANAGER, *_SYSTEM, *(role for roles in _ROLES.values() for role in roles)})
"""Every inbox that is not one person's."""


def concerned(warning: WarningDocument, owner: str | None) -> frozenset[str]:
    """Who is told about it as it stands; `owner` is whoever is in charge of the customer."""
    if warning.code.startswith("system_"):
        return _SYSTEM
    found = {MANAGER if owner is None else _person(owner), *_ROLES.get(warning.code, ())}
    return frozenset(found | {MANAGER} if warning.tier == "critical" else found)


def inboxes(subject: str, roles: Collection[str]) -> frozenset[str]:
    """The inboxes somebody reads: his own and those of his roles, an admin those of all roles."""
    shared = ROLE_INBOXES if "admin" in roles else ROLE_INBOXES & {f"role:{role}" for role in roles}
    return shared | {_person(subject)}


def _person(subject: str) -> str:
    return f"user:{subject}"
