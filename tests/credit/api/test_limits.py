"""What only limit decisions have: three meanings, of which one has an amount, and a time in which they count."""

from typing import Any

import pytest

from tests.credit.rows import limit, sent
from tests.support.service import Served

PATH = "/v1/credit-limits"


class TestDecide:
    @pytest.mark.parametrize(
        ("fields", "shown"),
        [
            ({"limit": "amount", "amount": "500.00"}, ("amount", "500.00")),
            ({"limit": "amount", "amount": "0"}, ("amount", "0.00")),
            ({"limit": "none"}, ("none", None)),
            ({"limit": "unlimited"}, ("unlimited", None)),
        ],
        ids=str,
    )
    async def test_is_shown_as_it_was_meant(
        self, credit: Served, fields: dict[str, Any], shown: tuple[str, str | None]
    ) -> None:
        found = (await credit.get(f"{PATH}/{await sent(credit, PATH, limit(**fields))}")).json()
        assert (found["limit"], found["amount"]) == shown

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"limit": "amount", "amount": None}, "amount_required"),
            ({"limit": "none", "amount": "0"}, "amount_not_allowed"),
            ({"limit": "unlimited", "amount": "5"}, "amount_not_allowed"),
            ({"limit": "plenty", "amount": "5"}, "enum"),
            ({"valid_to": "2025-12-31T16:00:00Z"}, "period_empty"),
        ],
        ids=str,
    )
    async def test_means_one_thing_or_is_refused(self, credit: Served, fields: dict[str, Any], code: str) -> None:
        """INVARIANT: an overloaded 0 would grant nothing where no limit was meant, or everything where none was."""
        answer = await credit.post(PATH, limit(**fields))
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    async def test_a_temporary_one_says_when_it_ends(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, limit(valid_to="2026-02-01T00:00:00+08:00"))
        assert (await credit.get(f"{PATH}/{id_}")).json()["valid_to"] == "2026-01-31T16:00:00Z"
