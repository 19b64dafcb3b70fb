"""Tokens, roles, the requirement every route must have, and whose customers are seen."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import httpx
import jwt
import pytest
from fastapi import APIRouter

from shared.errors import Unauthenticated
from shared.http import auth
from shared.http.auth import (
    ROLES,
    Principal,
    Role,
    Scope,
    TokenVerifier,
    assert_routes_guarded,
    issue_token,
    principal,
    requires,
    visible_to,
)
from tests.shared.http.orders import make_app, token

KEY: Final = b"k" * 32
OTHER_KEY: Final = b"o" * 32
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
AN_ID: Final = "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f"

CLAIMS: Final[dict[str, Any]] = {
    "iss": "forewarn",
    "aud": "forewarn",
    "sub": "anna",
    "roles": ["sales"],
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
}


class FrozenClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that shows `NOW`."""
    return FrozenClock()


@pytest.fixture
def verifier(clock: FrozenClock) -> TokenVerifier:
    """Knows one key."""
    return TokenVerifier({"1": KEY}, clock)


def signed(key: bytes = KEY, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token with some claims changed, or left out where they are None."""
    changed = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(changed, key, algorithm="HS256", headers={"kid": "1", **(headers or {})})


def unsigned(algorithm: str) -> str:
    """A token that says it needs no signature."""
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "1"}, CLAIMS]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def changed(good: str) -> str:
    """A token with one byte of its claims changed."""
    head, claims, signature = good.split(".")
    return f"{head}.{claims[:-2]}{'A' if claims[-2] != 'A' else 'B'}{claims[-1]}.{signature}"


BAD_TOKENS = [
    ("empty", ""),
    ("no token", "x"),
    ("not ascii", "é.é.é"),
    *((f"A19 {algorithm}", unsigned(algorithm)) for algorithm in ("none", "None", "nOnE", "HS256", "RS256")),
    ("other algorithm", jwt.encode(CLAIMS, KEY * 2, algorithm="HS512", headers={"kid": "1"})),
    ("other key", signed(OTHER_KEY)),
    ("A21 kid is a path", signed(headers={"kid": "../../etc/passwd"})),
    ("A21 kid is no text", signed().replace(signed().split(".")[0], "eyJhbGciOiJIUzI1NiIsImtpZCI6WzFdfQ")),
    ("A22", signed(headers={"kid": "2"})),
    ("A23", signed(exp=int(NOW.timestamp()))),
    *((f"A24 {end}", signed(exp=end)) for end in (None, "never", 1e308, -1, True)),
    ("A25 iat", signed(iat=int(NOW.timestamp()) + 60)),
    ("A25 nbf", signed(nbf=int(NOW.timestamp()) + 60)),
    ("no iat", signed(iat=None)),
    ("A26", signed(iss="forewarn/")),
    ("A26 none", signed(iss=None)),
    ("A27", signed(aud="other")),
    ("A27 none", signed(aud=None)),
    ("A29", changed(signed())),
    ("A31 two parts", signed().rpartition(".")[0]),
    ("A31 four parts", signed() + ".x"),
    ("A32", signed(x="x" * 100_000)),
    ("A33 none", signed(sub=None)),
    ("A33 empty", signed(sub="")),
    ("A33 long", signed(sub="x" * 1000)),
    ("roles are a text", signed(roles="admin")),
    ("roles are numbers", signed(roles=[1])),
]


class TestVerify:
    def test_issued_token_says_who_and_what(self, verifier: TokenVerifier) -> None:
        good = issue_token(KEY, "anna", ["sales", "credit"], timedelta(minutes=1), NOW)

        assert verifier.verify(good) == Principal("anna", frozenset({"sales", "credit"}))

    @pytest.mark.parametrize("bad", [row[1] for row in BAD_TOKENS], ids=[row[0] for row in BAD_TOKENS])
    def test_bad_token_is_refused(self, verifier: TokenVerifier, bad: str) -> None:
        """INVARIANT: only our algorithm with the key of the `kid` counts, whatever a token says of itself."""
        with pytest.raises(Unauthenticated):
            verifier.verify(bad)

    def test_token_ends_also_when_it_is_remembered(self, verifier: TokenVerifier, clock: FrozenClock) -> None:
        """INVARIANT: the memory of good tokens must not outlive them."""
        good = signed()
        verifier.verify(good)
        clock.instant += timedelta(seconds=60)

        with pytest.raises(Unauthenticated):
            verifier.verify(good)

    def test_memory_is_bounded(self, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth, "MAX_CACHED", 3)

        for number in range(10):
            verifier.verify(signed(sub=f"user-{number}"))

        assert len(verifier._cache) <= 3

    def test_keys_rotate(self, clock: FrozenClock) -> None:
        verifier = TokenVerifier({"1": KEY, "2": OTHER_KEY}, clock)

        for key, kid in ((KEY, "1"), (OTHER_KEY, "2")):
            assert verifier.verify(issue_token(key, "anna", [], timedelta(minutes=1), NOW, kid)).subject == "anna"

    def test_unknown_role_gives_no_right(self, verifier: TokenVerifier) -> None:
        assert verifier.verify(signed(roles=["root", "sales"])).roles == {"sales"}

    def test_short_key_is_refused(self, clock: FrozenClock) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            TokenVerifier({"1": b"short"}, clock)


class TestRequirement:
    @pytest.mark.parametrize(
        ("header", "status"),
        [
            (None, 401),
            ("", 401),
            ("Bearer", 401),
            ("Bearer ", 401),
            ("Basic YTpi", 401),
            ("Bearer a b", 401),
            ("Bearer \xe9", 401),
            ("Bearer " + "x" * 65536, 401),
            (f"bearer {token('anna', 'sales')}", 200),
            (f"BEARER {token('anna', 'sales')}", 200),
            (f"Bearer {token('anna', 'finance')}", 403),
            (f"Bearer {token('anna')}", 403),
        ],
    )
    async def test_header_decides(self, header: str | None, status: int) -> None:
        transport = httpx.ASGITransport(app=make_app())
        headers = {} if header is None else {b"authorization": header.encode("latin-1")}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            answer = await client.get(f"/v1/orders/{AN_ID}")

        assert answer.status_code == status
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["code"] == "authentication_required"
        if status == 403:
            assert answer.json()["code"] == "role_required"

    async def test_stranger_is_refused_before_his_body_is_read(self) -> None:
        """INVARIANT: parsing costs more than asking who is calling, and its answers are not for strangers."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app()), base_url="http://test") as client:
            answer = await client.patch(f"/v1/orders/{AN_ID}", json={"nonsense": 1})

        assert answer.status_code == 401

    async def test_two_headers_are_refused(self) -> None:
        headers = [("authorization", f"Bearer {token('anna', 'sales')}")] * 2
        transport = httpx.ASGITransport(app=make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            answer = await client.get(f"/v1/orders/{AN_ID}")

        assert answer.status_code == 400

    def test_misspelt_role_cannot_be_required(self) -> None:
        with pytest.raises(ValueError, match="takes roles"):
            requires("administrator")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="takes roles"):
            requires()


class TestAssertRoutesGuarded:
    def test_every_route_of_the_app_is_guarded(self) -> None:
        assert_routes_guarded(make_app())

    def test_route_without_requirement_is_named(self) -> None:
        """INVARIANT: a route nobody guards is open to everybody."""
        forgetful = APIRouter(tags=["x"])

        @forgetful.get("/v1/secrets")
        async def secrets() -> None:
            """Tell all."""

        with pytest.raises(AssertionError, match="GET /v1/secrets"):
            assert_routes_guarded(make_app(routers=(forgetful,)))

    def test_any_token_is_a_requirement_too(self) -> None:
        careful = APIRouter(tags=["x"])

        @careful.get("/v1/me")
        async def me(who: Annotated[Principal, principal()]) -> str:
            return who.subject

        @careful.get("/v1/us", dependencies=[requires("sales")])
        async def us() -> None:
            """Guarded by the route."""

        assert_routes_guarded(make_app(routers=(careful,)))


class TestVisibleTo:
    @pytest.mark.parametrize("role", ROLES)
    def test_sales_see_their_own_customers_and_others_see_all(self, role: Role) -> None:
        assert visible_to(Principal("anna", frozenset({role}))) == Scope("anna" if role == "sales" else None)

    def test_second_role_widens_the_view(self) -> None:
        assert visible_to(Principal("anna", frozenset({"sales", "manager"}))) == Scope(None)

    def test_without_role_nobody_elses_customers_are_seen(self) -> None:
        assert visible_to(Principal("anna", frozenset())) == Scope("anna")
