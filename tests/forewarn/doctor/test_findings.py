"""A check that cannot look is a finding; the others go on."""

import asyncio

import pytest

from forewarn.doctor import findings
from forewarn.doctor.findings import Finding, tried

FOUND = Finding("code", "orders", "it is so", "do that")


async def looks() -> list[Finding]:
    return [FOUND]


async def fails() -> list[Finding]:
    raise KeyError("of\nmany lines")


async def hangs() -> list[Finding]:
    await asyncio.Event().wait()
    return []


class TestTried:
    async def test_passes_on_what_is_found(self) -> None:
        assert await tried("rights", "orders", looks()) == [FOUND]

    async def test_an_error_is_a_finding_of_one_line(self) -> None:
        """INVARIANT: a doctor that breaks off with a traceback is of no help on the worst day."""
        [found] = await tried("rights", "orders", fails())
        assert (found.code, found.subject) == ("check_failed", "orders")
        assert "KeyError" in str(found)
        assert "\n" not in str(found)

    async def test_a_check_that_hangs_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(findings, "CHECK_SECONDS", 0.05)
        [found] = await tried("rights", "orders", hangs())
        assert found.code == "check_failed"
