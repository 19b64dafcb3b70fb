"""A seller's office on a running installation: its ERP system sends documents, its people read and act, all over HTTP.

Business time is counted back from the start of the run, so that today is the same day for everything in it.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from forewarn.data_directory import DataDirectory
from forewarn.quiet import settled
from forewarn.tokens import new_token
from shared.events import Party
from shared.settings import Settings
from tests.support.installation import Installation, eventually

ZONE: Final = ZoneInfo("Asia/Shanghai")
"""The seller's, as installations have it by default."""

NOW: Final = datetime.now(ZONE)

ERP: Final = "erp"
"""The source that speaks for every customer, up to now."""

Json = dict[str, Any]
T = TypeVar("T")


def ago(days: float) -> str:
    """The instant so many days before the run."""
    return (NOW - timedelta(days=days)).isoformat()


def day_ago(days: int) -> date:
    """The seller's day so many days before today."""
    return NOW.date() - timedelta(days=days)


def id_of(customer: str) -> UUID:
    """Our id of whom the ERP system calls so: anybody can compute it."""
    return Party.external(ERP, customer).id


def awaited(find: Callable[[], T | None]) -> T:
    """What is found, once it is found."""
    found: list[T] = []

    def look() -> bool:
        found.extend(one for one in (find(),) if one is not None)
        return bool(found)

    eventually(look)
    return found[0]


class Caller:
    """Somebody with a token of his own; what he asks for must succeed."""

    def __init__(self, installation: Installation, subject: str, *roles: str) -> None:
        self.subject = subject
        key = DataDirectory(installation.data_dir).token_key()
        self.http = httpx.Client(
            base_url=installation.address()["base_url"],
            headers={"Authorization": f"Bearer {new_token(key, subject, roles, days=1)}"},
            timeout=60,
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> Any:
        """What there is at a path."""
        return self._content(self.http.get(path, params=query))

    def items(self, path: str, **query: Any) -> list[Json]:
        """What a list shows, as far as one page goes."""
        found: list[Json] = self.get(path, limit=200, **query)["items"]
        return found

    def post(self, path: str, body: Json | None = None) -> Json:
        """The answer to a document, or to a command."""
        found: Json = self._content(self.http.post(path, json={} if body is None else body))
        return found

    def put(self, path: str, body: Json) -> None:
        """Declare something."""
        self._content(self.http.put(path, json=body))

    @staticmethod
    def _content(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()


class Office:
    """Whoever works there. Documents get a number of their own where none is given."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._callers: list[Caller] = []
        self.erp = self.caller("erp", "erp")
        self.finance = self.caller("fang", "finance")
        self.manager = self.caller("ma", "manager")
        self.ops = self.caller("ou", "ops")
        self._numbers = itertools.count(1)
        for kind in ("order", "invoice", "payment"):
            self.declare(ERP, kind)
            self.beat(ERP, kind)

    def caller(self, subject: str, *roles: str) -> Caller:
        """Another person, or machine."""
        self._callers.append(Caller(self.installation, subject, *roles))
        return self._callers[-1]

    def salesperson(self, subject: str, *customers: str) -> Caller:
        """Somebody in sales who is in charge of these customers."""
        for customer in customers:
            body = {"external_ids": [{"source": ERP, "external_id": customer}], "company_name": f"Company {customer}"}
            self.manager.post("/v1/customers", body | {"owner": subject})
        return self.caller(subject, "sales")

    def declare(self, source: str, kind: str, rhythm_hours: int = 24) -> None:
        """A source begins to speak for every customer."""
        self.erp.put(f"/v1/sources/{source}/{kind}", {"coverage": "all", "rhythm_hours": rhythm_hours})

    def beat(self, source: str, kind: str, days: float = 0) -> None:
        """A source promises that everything up to then was sent."""
        self.erp.post(f"/v1/sources/{source}/{kind}/beats", {"complete_until": ago(days)})

    def limit(self, customer: str, amount: str, days: float = 400) -> Json:
        """Decide how much a customer may owe, from then on; "unlimited" is a decision too."""
        limit: Json = {"limit": "unlimited"} if amount == "unlimited" else {"limit": "amount", "amount": amount}
        return self._send("/v1/credit-limits", customer, valid_from=ago(days), **limit)

    def invoice(self, customer: str, amount: str, days: float, *, due: int = -30, **fields: Any) -> Json:
        """Bill a customer; `due` so many days before today, behind it unless told otherwise."""
        times = {"issued_at": ago(days), "due": day_ago(due).isoformat()}
        return self._send("/v1/invoices", customer, amount=amount, **times, **fields)

    def payment(self, customer: str, amount: str, days: float = 0, **fields: Any) -> Json:
        """Money comes from a customer."""
        return self._send("/v1/payments", customer, amount=amount, received_at=ago(days), **fields)

    def order(self, customer: str, days: float, **fields: Any) -> Json:
        """A customer orders."""
        return self._send("/v1/orders", customer, **{"amount": "80.00", "placed_at": ago(days)} | fields)

    def breach(self, customer: str, days: float = 0) -> Json:
        """A limit of 1000.00, and an invoice of 1100.00 that takes the customer above it."""
        self.limit(customer, "1000.00")
        return self.invoice(customer, "1100.00", days)

    def warnings(self, customer: str, **query: Any) -> list[Json]:
        """What is said about a customer, latest first; what was taken back only if asked for."""
        return self.manager.items("/v1/warnings", customer=id_of(customer), **query)

    def warning(
        self, customer: str, so: Callable[[Json], bool] = lambda _: True, *, condition: str = "firing", **query: Any
    ) -> Json:
        """The warning about a customer that is so, once there is one."""

        def find() -> Json | None:
            found = self.warnings(customer, condition=condition, **query)
            return next((one for one in found if so(one)), None)

        return awaited(find)

    def owes(self, customer: str, debt: str, *, condition: str = "firing", **numbers: str) -> Json:
        """The warning about his debt once it says so: what was sent to the credit service before is judged then."""
        said = ({"debt": debt} | numbers).items()
        return self.warning(
            customer, lambda one: said <= one["evidence"]["numbers"].items(), condition=condition, code="credit_limit"
        )

    def timeline(self, warning: Json) -> list[Json]:
        """What was said of it and done about it."""
        found: list[Json] = self.manager.get(f"/v1/warnings/{warning['id']}/timeline")
        return found

    def receivables(self, customer: str, **query: Any) -> Json:
        """How a customer stands in the only currency he has, by the credit service."""
        [account] = self.manager.get(f"/v1/customers/{id_of(customer)}/receivables", **query)["accounts"]
        found: Json = account
        return found

    def horizon(self, customer: str, kind: str) -> Json:
        """Up to when absence of a kind may be judged about a customer, and what it rests on."""
        found: list[Json] = self.manager.get(f"/v1/customers/{id_of(customer)}/horizon")
        return next(one for one in found if one["kind"] == kind)

    def inbox(self, caller: Caller, warning: Json) -> list[str]:
        """What somebody was told of a warning, in the order in which it was said."""
        lines = [line["told"] for line in caller.items("/v1/inbox") if line["warning"] == warning["id"]]
        return lines[::-1]

    def told(self, caller: Caller, warning: Json, *expected: str) -> None:
        """Wait until this is all that somebody was told of a warning, in this order."""
        eventually(lambda: self.inbox(caller, warning) == list(expected))

    def acknowledge(self, caller: Caller, warning: Json) -> None:
        """Somebody takes a warning on, once it is known that he is in charge."""
        path = f"/v1/warnings/{warning['id']}"
        eventually(lambda: caller.http.get(path).is_success)
        assert caller.post(f"{path}/acknowledge")["handling"]["state"] == "acknowledged"

    def settle(self) -> None:
        """Wait until nothing is on its way any more: for what must not happen."""
        asyncio.run(settled(Settings(data_dir=self.installation.data_dir)))

    def close(self) -> None:
        """Everybody goes home."""
        for caller in self._callers:
            caller.http.close()

    def _send(self, path: str, customer: str, **fields: Any) -> Json:
        base = {"source": ERP, "number": f"N-{next(self._numbers)}", "customer": {"external_id": customer}}
        return self.erp.post(path, base | {"currency": "CNY"} | fields)


@contextlib.contextmanager
def office_on(installation: Installation) -> Iterator[Office]:
    """The office, open while the block lasts."""
    office = Office(installation)
    try:
        yield office
    finally:
        office.close()
