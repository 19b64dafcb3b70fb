"""Who is calling and what he may: tokens, roles, the requirement every route declares, and whose customers are seen.

Which roles a route asks for is the route's to say; keys come from the platform.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

import jwt
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from shared.clock import Clock
from shared.errors import Forbidden, Unauthenticated, Unreadable
from shared.http.introspection import dependants_of, methods_of, routes_of

Role = Literal["admin", "manager", "sales", "credit", "finance", "service_desk", "ops", "erp"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
SEE_ALL: Final = frozenset(ROLES) - {"sales"}
"""Roles that see every customer; sales see those they own."""

ISSUER: Final = "forewarn"
AUDIENCE: Final = "forewarn"
ALGORITHM: Final = "HS256"

MIN_KEY_BYTES: Final = 32
MAX_TOKEN_LENGTH: Final = 8192
MAX_SUBJECT_LENGTH: Final = 256
LEEWAY_SECONDS: Final = 30
"""How far the clock of an issuer may be ahead of ours; none for the end of a token."""
MAX_CACHED: Final = 10_000
"""Tokens whose signature is not checked again: an HMAC and its parsing cost 60 us, a look-up 0.5 us."""

PUBLIC_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    subject: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose customers are visible: those of `owner`, or everyone's if it is None."""

    owner: str | None


def visible_to(principal: Principal) -> Scope:
    """What lists, details, sums and exports show to `principal`: unknown roles see no more than sales do."""
    return Scope(None if principal.roles & SEE_ALL else principal.subject)


def issue_token(
    key: bytes, subject: str, roles: Sequence[str], lifetime: timedelta, now: datetime, kid: str = "1"
) -> str:
    """A token that says for `lifetime` that its bearer is `subject` and has `roles`."""
    _check_key(key)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": list(roles),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid})


class TokenVerifier:
    """Checks tokens against the keys by their `kid`; remembers, up to their end, those that were in order."""

    def __init__(self, keys: Mapping[str, bytes], clock: Clock) -> None:
        for key in keys.values():
            _check_key(key)
        self._keys = dict(keys)
        self._clock = clock
        self._cache: dict[str, tuple[Principal, float]] = {}

    def verify(self, token: str) -> Principal:
        """Who the token says is calling. Raises `authentication_required`, the same for every reason."""
        now = self._clock.now().timestamp()
        cached = self._cache.get(token)
        if cached is not None and now < cached[1]:
            return cached[0]
        try:
            principal, end = self._check(token, now)
        except (jwt.PyJWTError, _Refused, ValueError, TypeError) as error:
            log.info("token_refused", reason=type(error).__name__)
            raise unauthenticated() from None
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[token] = principal, end
        return principal

    def _check(self, token: str, now: float) -> tuple[Principal, float]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise _Refused
        key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise _Refused
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # Times are compared with our own clock below.
            options={
                "require": ["exp", "iat", "iss", "aud", "sub"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        end = _instant(claims["exp"])
        beginning = max(_instant(claims["iat"]), _instant(claims.get("nbf", 0)))
        if not beginning - LEEWAY_SECONDS <= now < end:
            raise _Refused
        return _principal(claims), end


class Requirement(SecurityBase):
    """What a route asks of its caller: a valid token and, if any are named, one of these roles."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self.roles = frozenset(roles)
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, request: Request) -> Principal:
        """Who is calling. Raises `authentication_required` (401) or `role_required` (403)."""
        verifier: TokenVerifier = request.app.state.verifier
        principal = verifier.verify(_bearer(request))
        if self.roles and not self.roles & principal.roles:
            raise Forbidden("role_required", f"This needs one of the roles: {', '.join(sorted(self.roles))}.")
        return principal


_ANYONE: Final = Requirement(())


def principal() -> Any:
    """Dependency: whoever has a valid token, `who: Annotated[Principal, principal()]`."""
    return Depends(_ANYONE)


def requires(*roles: Role) -> Any:
    """Dependency: a caller with one of these roles, `who: Annotated[Principal, requires("erp")]`."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"requires() takes roles of {', '.join(ROLES)}")
    return Depends(Requirement(roles))


def is_still_valid(request: Request) -> bool:
    """Whether the token of a request is in order now, for answers that outlive the moment it was asked for."""
    verifier: TokenVerifier = request.app.state.verifier
    try:
        verifier.verify(_bearer(request))
    except Unauthenticated:
        return False
    return True


def assert_routes_guarded(app: FastAPI) -> None:
    """Raise `AssertionError` with the routes that ask nothing of their caller, but for health and metrics."""
    open_routes = [
        f"{method} {route.path}"
        for route in routes_of(app)
        if route.path not in PUBLIC_PATHS and not _is_guarded(route)
        for method in sorted(methods_of(route))
    ]
    if open_routes:
        raise AssertionError(f"routes without a requirement: {', '.join(open_routes)}")


def unauthenticated() -> Unauthenticated:
    """The one answer to every caller we do not know."""
    return Unauthenticated("authentication_required", "Send a valid token: Authorization: Bearer <token>.")


class _Refused(Exception):
    """A token that is signed but not in order, or cannot be checked at all."""


def _check_key(key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"a token key has at least {MIN_KEY_BYTES} bytes")


def _bearer(request: Request) -> str:
    found = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if not found:
        raise unauthenticated()
    if len(found) > 1:
        raise Unreadable("repeated_header", "Send one Authorization header.")
    scheme, _, token = found[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token.isascii():
        raise unauthenticated()
    return str(token, "ascii")


def _instant(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not 0 <= claim < 2**40:
        raise _Refused
    return float(claim)


def _principal(claims: Mapping[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles", [])
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise _Refused
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise _Refused
    return Principal(subject, frozenset(roles) & frozenset(ROLES))


def _is_guarded(route: APIRoute) -> bool:
    return any(isinstance(dependant.call, Requirement) for dependant in dependants_of(route))
