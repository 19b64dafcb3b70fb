"""Changes name the revision they change."""

import httpx
import pytest

PATH = "/v1/orders/018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f"


class TestIfMatch:
    @pytest.mark.parametrize("header", ['"1.7"', '"1.6", "1.7"', "*", ' "1.7" '])
    async def test_current_revision_is_changed(self, client: httpx.AsyncClient, header: str) -> None:
        answer = await client.patch(PATH, json={"note": "new"}, headers={"if-match": header})

        assert (answer.status_code, answer.headers["etag"]) == (200, '"1.8"')

    @pytest.mark.parametrize(
        "header", ['"1.6"', '"0.7"', '"2.7"', 'W/"1.7"', "1.7", '"x"', '"1.7', "\xe9", '"1.' + "7" * 99]
    )
    async def test_other_revision_is_not_changed(self, client: httpx.AsyncClient, header: str) -> None:
        """INVARIANT: of two people who change the same document, the second must see the first's change."""
        answer = await client.patch(PATH, json={"note": "new"}, headers={b"if-match": header.encode("latin-1")})

        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")

    @pytest.mark.parametrize("headers", [{}, {"if-match": ""}])
    async def test_change_without_revision_is_refused(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await client.patch(PATH, json={"note": "new"}, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
