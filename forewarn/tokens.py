"""Tokens for people: signed and verified with the installation's key."""

from datetime import timedelta
from typing import Final

from shared.clock import Clock, SystemClock
from shared.http.auth import TokenVerifier, issue_token

KEY_ID: Final = "1"
"""The one key of an installation; a rotation will add a second id."""


def new_token(key: str, subject: str, roles: tuple[str, ...], days: int) -> str:
    """A token that says who somebody is and what he may, for some days."""
    return issue_token(key.encode(), subject, roles, timedelta(days=days), SystemClock().now(), KEY_ID)


def verifier(key: str, clock: Clock) -> TokenVerifier:
    """Accepts what `new_token` makes with the same key."""
    return TokenVerifier({KEY_ID: key.encode()}, clock)
