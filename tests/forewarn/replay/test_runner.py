"""The second pass against a server that restarts, loses answers, refuses rows, or never comes back."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from forewarn.replay.client import ReplayClient, ReplayFailed
from forewarn.replay.effects import Effects
from forewarn.replay.plan import make_plan
from forewarn.replay.runner import Replay
from forewarn.replay.summary import Summary
from forewarn.replay.translate import Translator
from tests.forewarn.replay.fake_server import FakeServer, lost_answer, passes, refused_connection, status
from tests.forewarn.replay.support import OPTIONS, invoice, limit, order, payment, write

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


class Sleeper:
    """Sleeps in no time, and counts."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def time(self) -> float:
        return sum(self.slept)


async def replay(
    path: Path, server: FakeServer, *, chunk: int = 3, first: int = 1, sleeper: Sleeper | None = None
) -> Summary:
    sleeper = sleeper or Sleeper()
    async with server.client() as http:
        client = ReplayClient(http, give_up_after=120, sleep=sleeper, monotonic=sleeper.time)
        plan = make_plan(path, Translator(OPTIONS), chunk=chunk, first=first)
        return await Replay(path, plan, OPTIONS, client, FixedClock()).run()


def mixed(count: int) -> list[dict[str, Any]]:
    def at(hour: int) -> str:
        return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).isoformat()

    lines = [limit(at(0))]
    for number in range(count):
        lines += [order(number, at(3 * number)), invoice(number, at(3 * number + 1)), payment(at(3 * number + 2))]
    return lines


class TestRun:
    async def test_every_line_is_accounted_for(self, tmp_path: Path) -> None:
        lines: list[dict[str, Any] | str] = [
            *mixed(20),
            order(0, mixed(1)[1]["ts"]),
            order(99, customer="BAD"),
            {"type": "expense.recorded"},
            "{",
        ]
        lines.append(order(100, colour="red"))
        summary = await replay(write(tmp_path / "f", lines), FakeServer())
        assert summary.read == summary.accounted == len(lines) == 66
        assert (summary.accepted, summary.duplicate, summary.not_yet_supported) == (62, 1, 1)
        assert summary.refused == {"customer_blocked": 1, "invalid_json": 1}
        assert {(one.line, one.code) for one in summary.examples} == {(63, "customer_blocked"), (65, "invalid_json")}
        assert summary.ignored_fields == {"colour": 1}

    async def test_sources_are_declared_before_anything_is_sent(self, tmp_path: Path) -> None:
        server = FakeServer()
        await replay(write(tmp_path / "f", mixed(2)), server)
        assert server.declared == {
            of: {"coverage": "named", "rhythm_hours": None} for of in ("invoice", "order", "payment")
        }
        assert [request.split()[0] for request in server.requests][:3] == ["PUT", "PUT", "PUT"]

    async def test_a_second_run_is_all_duplicates(self, tmp_path: Path) -> None:
        server, path = FakeServer(), write(tmp_path / "f", mixed(10))
        await replay(path, server)
        held = dict(server.documents)
        summary = await replay(path, server, chunk=7)
        assert (summary.duplicate, summary.accepted) == (31, 0)
        assert server.documents == held

    @pytest.mark.parametrize("chunk", [1, 4, 1000])
    async def test_no_beat_is_broken_by_a_shuffled_file(self, tmp_path: Path, chunk: int) -> None:
        server, lines = FakeServer(), mixed(40)
        random.Random(7).shuffle(lines)
        await replay(write(tmp_path / "f", lines), server, chunk=chunk)
        assert server.broken == []
        last = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=39 * 3, microseconds=1)
        assert server.beats == {
            "order": last, "invoice": last + timedelta(hours=1), "payment": last + timedelta(hours=2)
        }  # fmt: skip

    async def test_beats_follow_an_ordered_file_as_it_goes(self, tmp_path: Path) -> None:
        server = FakeServer()
        await replay(write(tmp_path / "f", mixed(10)), server, chunk=3)
        assert server.beat_count > 20

    async def test_a_promise_about_the_future_is_cut_at_now(self, tmp_path: Path) -> None:
        server = FakeServer()
        await replay(write(tmp_path / "f", [order(1, "2027-01-01T00:00:00Z")]), server)
        assert server.beats == {"order": NOW}

    async def test_goes_on_at_a_line(self, tmp_path: Path) -> None:
        server = FakeServer()
        summary = await replay(write(tmp_path / "f", mixed(10)), server, first=29)
        assert (summary.read, len(server.documents)) == (3, 3)

    async def test_lines_appended_meanwhile_belong_to_another_run(self, tmp_path: Path) -> None:
        server, path = FakeServer(), write(tmp_path / "f", [order(number) for number in range(4)])
        plan = make_plan(path, Translator(OPTIONS), chunk=3)
        write(path, [order(number) for number in range(9)])
        async with server.client() as http:
            summary = await Replay(path, plan, OPTIONS, ReplayClient(http), FixedClock()).run()
        assert summary.read == len(server.documents) == 4


class TestTrouble:
    async def test_lost_answers_count_nothing_twice_and_break_no_beat(self, tmp_path: Path) -> None:
        server = FakeServer()
        server.failures = [passes] * 8
        server.failures += [lost_answer(server), refused_connection, status(503), lost_answer(server)]
        summary = await replay(write(tmp_path / "f", mixed(20)), server)
        assert summary.read == summary.accounted == len(server.documents) == 61
        assert summary.retries == 4
        assert summary.duplicate > 0
        assert server.broken == []

    async def test_waits_as_long_as_the_server_asks(self, tmp_path: Path) -> None:
        server, sleeper = FakeServer(), Sleeper()
        server.failures = [status(429, **{"Retry-After": "7"}), status(503), status(503)]
        await replay(write(tmp_path / "f", [order()]), server, sleeper=sleeper)
        assert sleeper.slept == [7, 0.2, 0.4]

    async def test_gives_up_on_a_server_that_stays_away(self, tmp_path: Path) -> None:
        server, sleeper = FakeServer(), Sleeper()
        server.failures = [passes] * 9 + [refused_connection] * 1000
        with pytest.raises(ReplayFailed) as failed:
            await replay(write(tmp_path / "f", mixed(20)), server, sleeper=sleeper)
        assert failed.value.code == "server_away"
        assert failed.value.next_line is not None
        assert 1 <= failed.value.next_line < 61

    async def test_an_outage_of_minutes_in_two_parts_is_survived(self, tmp_path: Path) -> None:
        server = FakeServer()
        server.failures = [*[refused_connection] * 20, passes, *[refused_connection] * 20]
        summary = await replay(write(tmp_path / "f", [order()]), server)
        assert summary.accepted == 1

    @pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422, 500])
    async def test_other_answers_end_the_run(self, tmp_path: Path, code: int) -> None:
        server = FakeServer()
        server.failures = [status(code)]
        with pytest.raises(ReplayFailed) as failed:
            await replay(write(tmp_path / "f", [order()]), server)
        assert failed.value.code == "because"
        assert failed.value.next_line == 1

    @pytest.mark.parametrize("answer", [{}, {"results": []}, {"results": [{"status": "maybe"}]}, []])
    async def test_an_answer_that_leaves_rows_open_ends_the_run(self, tmp_path: Path, answer: Any) -> None:
        server = FakeServer()
        server.failures = [passes, lambda _request: httpx.Response(200, json=answer)]
        with pytest.raises(ReplayFailed) as failed:
            await replay(write(tmp_path / "f", [order()]), server)
        assert failed.value.code == "unexpected_answer"


class TestSummary:
    async def test_json_accounts_for_every_line(self, tmp_path: Path) -> None:
        rendered = (await replay(write(tmp_path / "f", [order(), order(customer="BAD"), "{"]), FakeServer())).as_json()
        assert rendered | {"seconds": 0, "refused_lines": []} == {
            "read": 3, "accepted": 1, "amended": 0, "duplicate": 0, "superseded": 0,
            "refused": {"customer_blocked": 1, "invalid_json": 1}, "not_yet_supported": 0, "refused_lines": [],
            "ignored_fields": {}, "retries": 0, "seconds": 0,
            "events_applied": None, "warnings": None, "caught_up": None,
        }  # fmt: skip

    def test_tells_what_the_services_made_of_it(self) -> None:
        effects = Effects({"credit": 3}, {"churn": {"critical": 1}}, None)
        rendered = Summary(effects=effects).as_json()
        assert rendered["events_applied"] == {"credit": 3}
        assert rendered["warnings"] == {"churn": {"critical": 1}}
        assert rendered["caught_up"] is True
        assert Summary(effects=replace(effects, unrest="7 events")).as_json()["caught_up"] is False
