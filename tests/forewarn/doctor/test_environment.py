"""Settings that are missing, wrong or contradict each other are all found at once."""

from pathlib import Path
from typing import Final

import pytest

from forewarn.doctor.environment import Described, described
from forewarn.services import NAMES

COMPLETE: Final = {
    "FOREWARN_TOKEN_KEY": "k" * 64,
    "FOREWARN_BUS_DATABASE_URL": "postgresql://bus:geheim@db/bus",
    **{f"FOREWARN_DATABASE_URL_{name.upper()}": f"postgresql://{name}:geheim@db/{name}" for name in NAMES},
}
ORDERS: Final = "FOREWARN_DATABASE_URL_ORDERS"


async def look(monkeypatch: pytest.MonkeyPatch, *names: str, **changed: str) -> Described:
    environment = COMPLETE | changed
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = described(None, names or NAMES, environment)
    if found.platform is not None:
        await found.platform.close()
    assert "geheim" not in repr(found.findings)
    return found


def codes(found: Described) -> list[str]:
    return [finding.code for finding in found.findings]


class TestDistributed:
    async def test_a_complete_one_has_nothing_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = await look(monkeypatch)
        assert (found.findings, found.names) == ([], NAMES)
        assert found.platform is not None

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"FOREWARN_TOKEN_KEY": ""}, "setting_invalid"),
            ({"FOREWARN_TOKEN_KEY": "short"}, "setting_invalid"),
            ({ORDERS: COMPLETE["FOREWARN_DATABASE_URL_CREDIT"]}, "database_shared"),
            ({ORDERS: "postgresql://other:geheim@db/credit"}, "database_shared"),
            ({ORDERS: ""}, "setting_missing"),
        ],
    )
    async def test_the_rest_is_looked_at_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], code: str
    ) -> None:
        found = await look(monkeypatch, **changed)
        assert codes(found) == [code]
        assert found.platform is not None

    async def test_a_missing_key_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("FOREWARN_TOKEN_KEY", raising=False)
        environment = {name: value for name, value in COMPLETE.items() if name != "FOREWARN_TOKEN_KEY"}
        assert codes(described(None, NAMES, environment)) == ["setting_missing"]

    async def test_all_is_found_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = await look(monkeypatch, FOREWARN_TOKEN_KEY="short", FOREWARN_DATABASE_URL_NOTIFY="", **{ORDERS: ""})
        assert codes(found) == ["setting_invalid", "setting_missing", "setting_missing"]
        assert found.names == ("customer", "credit", "alerting")

    async def test_services_nobody_asked_for_are_not_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert codes(await look(monkeypatch, "credit", **{ORDERS: ""})) == []

    @pytest.mark.parametrize(
        "changed",
        [
            {"FOREWARN_BUS_DATABASE_URL": ""},
            {"FOREWARN_KAFKA_BOOTSTRAP": "kafka:9092"},
            {"FOREWARN_BUS_DATABASE_URL": "", "FOREWARN_KAFKA_BOOTSTRAP": "kafka"},
            {
                "FOREWARN_BUS_DATABASE_URL": "",
                "FOREWARN_KAFKA_BOOTSTRAP": "kafka:9092",
                "FOREWARN_KAFKA_SECURITY": "sasl_ssl",
            },
        ],
    )
    async def test_without_one_bus_nothing_can_be_looked_at(
        self, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]
    ) -> None:
        found = await look(monkeypatch, **changed)
        assert (codes(found), found.platform) == (["setting_invalid"], None)


class TestSettings:
    def test_those_that_cannot_be_read_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FOREWARN_PORT", "http")
        monkeypatch.setenv("FOREWARN_TIME_ZONE", "Mars/Olympus")
        found = described(None, NAMES, {})
        assert [finding.problem.partition(" ")[0] for finding in found.findings] == [
            "FOREWARN_PORT",
            "FOREWARN_TIME_ZONE",
        ]


class TestEmbedded:
    def test_that_does_not_run_says_how_to_start_it(self, tmp_path: Path) -> None:
        found = described(tmp_path, NAMES, COMPLETE)
        assert (codes(found), found.platform) == (["not_running"], None)
        assert "forewarn up" in found.findings[0].remedy
