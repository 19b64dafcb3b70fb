"""Cursors and pages."""

from datetime import UTC, date, datetime
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.http.pagination import decode_cursor, encode_cursor
from tests.shared.http.orders import NUMBERS

AN_ID = UUID("018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f")


class TestCursor:
    def test_key_comes_back_with_its_types(self) -> None:
        key = ("A-1", 7, AN_ID, datetime(2026, 3, 1, 9, 30, 0, 123456, UTC), date(2026, 3, 1))

        assert decode_cursor(encode_cursor(*key), str, int, UUID, datetime, date) == key

    def test_no_cursor_is_no_key(self) -> None:
        assert decode_cursor(None, str) is None

    @pytest.mark.parametrize(
        "cursor",
        [
            encode_cursor("A"),
            encode_cursor("A", "B"),
            encode_cursor("A", 1, 2),
            encode_cursor("\0", 1),
            encode_cursor("A", 2**63),
            encode_cursor("A", 1) + "=",
            encode_cursor("A", 1)[:-1],
        ],
    )
    def test_cursor_of_another_list_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            decode_cursor(cursor, str, int)
        assert refused.value.code == "bad_cursor"

    @given(st.text(max_size=60))
    def test_any_text_is_a_cursor_or_refused(self, cursor: str) -> None:
        try:
            key = decode_cursor(cursor, str, UUID)
        except InvalidInput as error:
            assert error.code == "bad_cursor"  # noqa: PT017
        else:
            assert key is not None
            assert encode_cursor(*key) == cursor


class TestPages:
    @pytest.mark.parametrize("limit", [1, 7, 500])
    async def test_pages_together_are_the_list(self, client: httpx.AsyncClient, limit: int) -> None:
        found: list[str] = []
        cursor: str | None = None
        while len(found) < 30 * limit:
            answer = await client.get("/v1/orders", params={"limit": limit} | ({"cursor": cursor} if cursor else {}))
            found += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                break

        assert found == NUMBERS[: len(found)]
        assert cursor is not None or found == NUMBERS

    async def test_page_has_fifty_items_unless_told(self, client: httpx.AsyncClient) -> None:
        assert len((await client.get("/v1/orders")).json()["items"]) == 50
