"""One's inbox over HTTP: what stands in it, what is shown of a line, what was read."""

from typing import Any
from uuid import UUID

import pytest

from tests.support import builders as build
from tests.support.service import Served, event_of
from tests.support.warnings import warning

CHEN: dict[str, Any] = {"role": "sales", "subject": "chen"}
LI: dict[str, Any] = {"role": "sales", "subject": "li"}


async def told(notify: Served, *numbers: int, customer: str = "C1", **fields: Any) -> None:
    """A warning each, about a customer in Chen's charge."""
    await notify.take(build.customer(customer, owner="chen", company_name="百川商贸"))
    for number in numbers:
        await notify.handle([event_of(warning(customer, **fields), id_=UUID(int=number))])


async def inbox(notify: Served, query: str = "", **who: Any) -> list[dict[str, Any]]:
    answer = await notify.get(f"/v1/inbox{query}", **who)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class TestListLines:
    async def test_a_line_says_all_there_is_to_know_at_once(self, notify: Served) -> None:
        await told(notify, 1)
        [line] = await inbox(notify, **CHEN)
        text = line.pop("text")
        assert "120.00 CNY" in text["en"]
        assert "120.00 CNY" in text["zh"]
        assert "百川商贸" in text["en"]
        assert line.pop("id") > 0
        assert line.pop("at")
        assert list(line["numbers"]) == ["debt", "limit", "overdue", "overdue_days"]
        assert line == {
            "recipient": "user:chen",
            "told": "firing",
            "pushed": True,
            "warning": str(UUID(int=1)),
            "code": "credit_limit",
            "tier": "warning",
            "customer": {
                "id": str(build.party("C1").id),
                "source": "erp",
                "external_id": "C1",
                "company_name": "百川商贸",
            },
            "scope": "CNY",
            "started_at": "2026-01-05T09:00:00Z",
            "numbers": {"debt": "120.00", "limit": "100.00", "overdue": "0.00", "overdue_days": "0"},
            "read": False,
        }

    async def test_newest_first_and_pages_go_on_where_the_last_one_ended(self, notify: Served) -> None:
        await told(notify, 1, 2, 3, 4, 5)
        seen, cursor = [], ""
        while cursor is not None:
            page = (await notify.get(f"/v1/inbox?limit=2{cursor}", **CHEN)).json()
            seen += [UUID(item["warning"]).int for item in page["items"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert seen == [5, 4, 3, 2, 1]

    async def test_nobody_reads_somebody_elses_inbox(self, notify: Served) -> None:
        """INVARIANT: a salesperson learns nothing of customers that are not his."""
        await told(notify, 1)
        assert await inbox(notify, **LI) == []
        assert await inbox(notify, role="erp", subject="machine") == []

    @pytest.mark.parametrize(
        ("role", "recipients"),
        [("credit", ["role:credit"]), ("manager", ["role:manager"]), ("finance", []), ("ops", ["role:ops"])],
    )
    async def test_the_inbox_of_a_role_is_read_by_whoever_has_it(
        self, notify: Served, role: str, recipients: list[str]
    ) -> None:
        await told(notify, 1, tier="critical")
        await told(notify, 2, code="system_source_late")
        assert [line["recipient"] for line in await inbox(notify, role=role)] == recipients

    async def test_an_admin_reads_those_of_all_roles_but_of_no_person(self, notify: Served) -> None:
        await told(notify, 1, tier="critical")
        await told(notify, 2, code="system_source_late")
        found = [line["recipient"] for line in await inbox(notify)]
        assert sorted(found) == ["role:admin", "role:credit", "role:manager", "role:ops"]

    async def test_lines_of_several_inboxes_stand_in_one_order(self, notify: Served) -> None:
        await told(notify, 1, 2, 3)
        ids = [line["id"] for line in await inbox(notify, role="credit", subject="chen")]
        assert len(ids) == 6
        assert ids == sorted(ids, reverse=True)

    async def test_a_name_is_shown_as_it_is_today(self, notify: Served) -> None:
        await told(notify, 1)
        party = build.party("C1")
        renamed = build.customer("C1", owner="chen", company_name="新名")
        pool = await notify.context.database.pool()
        id_ = await pool.fetchval("select id from held_document where kind = 'customer' and party = $1", party.id)
        await notify.handle([event_of(renamed, revision=2, id_=id_)])
        [line] = await inbox(notify, **CHEN)
        assert line["customer"]["company_name"] == "新名"
        assert "新名" in line["text"]["zh"]

    async def test_a_customer_nobody_registered_is_called_by_his_number(self, notify: Served) -> None:
        await notify.take(warning("C9", code="churn"))
        [line] = await inbox(notify, role="manager")
        assert line["customer"]["company_name"] is None
        assert "C9" in line["text"]["en"]

    @pytest.mark.parametrize(
        ("code", "numbers"),
        [
            ("system_source_late", {"source": "erp", "kind": "order", "complete_until": ""}),
            ("system_dead_letters", {"open": "3", "oldest": "2026-01-05T09:00:00Z"}),
        ],
    )
    async def test_a_warning_about_the_installation_has_no_customer(
        self, notify: Served, code: str, numbers: dict[str, str]
    ) -> None:
        await notify.take(warning(code=code, numbers=numbers))
        [line] = await inbox(notify, role="ops")
        assert line["customer"] is None
        for text in line["text"].values():
            assert next(iter(numbers.values())) in text
            assert not text.startswith((":", "："))

    async def test_figures_a_sentence_needs_may_be_missing(self, notify: Served) -> None:
        """INVARIANT: one warning of another version must not hide all others."""
        await notify.take(warning(numbers={"debt": "1.00"}))
        [line] = await inbox(notify, role="credit")
        assert "1.00" in line["text"]["zh"]

    async def test_what_was_taken_back_and_what_is_over_say_so(self, notify: Served) -> None:
        await told(notify, 1)
        for revision, condition in enumerate(("resolved", "retracted"), 2):
            await notify.handle([event_of(warning(condition=condition), revision=revision, id_=UUID(int=1))])
        texts = [line["text"]["en"] for line in await inbox(notify, **CHEN)]
        assert len(set(texts)) == 3

    async def test_a_summary_of_history_stands_in_the_managers_inbox(self, notify: Served) -> None:
        await told(notify, 1, suppression=("seeded",))
        [line] = await inbox(notify, role="manager")
        assert (line["told"], line["pushed"], line["warning"], line["customer"]) == ("summary", False, None, None)
        assert line["numbers"] == {"open": "1", "credit_limit": "1"}
        assert "1" in line["text"]["en"]
        assert "1" in line["text"]["zh"]

    async def test_without_a_token_there_is_nothing(self, notify: Served) -> None:
        for path in ("/v1/inbox", "/v1/inbox/stream"):
            assert (await notify.http.get(path)).status_code == 401

    @pytest.mark.parametrize("query", ["?cursor=x", "?limit=0", "?unread=perhaps", "?owner=chen"])
    async def test_a_bad_query_is_refused(self, notify: Served, query: str) -> None:
        assert (await notify.get(f"/v1/inbox{query}")).status_code == 422


class TestRead:
    async def test_what_was_read_is_so_for_the_reader_alone(self, notify: Served) -> None:
        """INVARIANT: a controller on holiday must find what his colleague has read unread."""
        await told(notify, 1)
        [line] = await inbox(notify, role="credit", subject="anna")
        answers = [
            await notify.post(f"/v1/inbox/{line['id']}/read", None, role="credit", subject="anna") for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [204, 204]
        assert [one["read"] for one in await inbox(notify, role="credit", subject="anna")] == [True]
        assert [one["read"] for one in await inbox(notify, role="credit", subject="bo")] == [False]

    async def test_only_unread_lines_on_demand(self, notify: Served) -> None:
        await told(notify, 1, 2, 3)
        lines = await inbox(notify, **CHEN)
        await notify.post(f"/v1/inbox/{lines[1]['id']}/read", None, **CHEN)
        assert [one["id"] for one in await inbox(notify, "?unread=true", **CHEN)] == [lines[0]["id"], lines[2]["id"]]
        assert len(await inbox(notify, "?unread=true&limit=1", **CHEN)) == 1

    async def test_everything_up_to_a_line_at_once(self, notify: Served) -> None:
        await told(notify, 1, 2, 3)
        lines = await inbox(notify, **CHEN)
        await notify.post(f"/v1/inbox/{lines[2]['id']}/read", None, **CHEN)
        for marked in (1, 0):
            answer = await notify.post("/v1/inbox/read", {"up_to": lines[1]["id"]}, **CHEN)
            assert answer.json() == {"marked": marked}
        assert [one["read"] for one in await inbox(notify, **CHEN)] == [False, True, True]

    async def test_a_foreign_line_is_not_there(self, notify: Served) -> None:
        await told(notify, 1)
        [line] = await inbox(notify, **CHEN)
        answer = await notify.post(f"/v1/inbox/{line['id']}/read", None, **LI)
        assert (answer.status_code, answer.json()["code"]) == (404, "line_not_found")
        assert (await notify.post("/v1/inbox/read", {"up_to": line["id"]}, **LI)).json() == {"marked": 0}

    @pytest.mark.parametrize("id_", ["0", "-1", "1_0", "9" * 19, "x"])
    async def test_what_is_no_id_is_refused(self, notify: Served, id_: str) -> None:
        assert (await notify.post(f"/v1/inbox/{id_}/read", None)).status_code == 422

    @pytest.mark.parametrize("up_to", [0, -1, "1", 1.5, 2**63, True, None])
    async def test_what_is_no_line_is_refused(self, notify: Served, up_to: Any) -> None:
        assert (await notify.post("/v1/inbox/read", {"up_to": up_to})).status_code == 422

    async def test_a_summary_that_changed_is_unread_again(self, notify: Served) -> None:
        await told(notify, 1, suppression=("seeded",))
        [line] = await inbox(notify, role="manager")
        await notify.post(f"/v1/inbox/{line['id']}/read", None, role="manager")
        await told(notify, 2, suppression=("seeded",))
        [line] = await inbox(notify, role="manager")
        assert line["read"] is False
