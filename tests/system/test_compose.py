"""The compose file and the image: what they promise of safety, and the whole system played from their very commands."""

import functools
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from forewarn.doctor import brokers
from forewarn.services import NAMES
from shared.events import TOPICS
from shared.messaging.bus import BusError, Message
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from tests.support.compose import DOCKERFILE, Composed, compose_file, composed
from tests.support.installation import ROOT, eventually
from tests.support.kafka import need_kafka

SERVICES = compose_file()["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "forewarn"}

pytestmark = [pytest.mark.system]


@pytest.fixture(scope="module")
def system() -> Iterator[Composed]:
    """Everything `docker compose up` starts."""
    need_kafka()
    with composed() as system:
        yield system


def call(system: Composed, method: str, path: str, body: Any = None) -> httpx.Response:
    """What the gateway answers an administrator."""
    headers = {"Authorization": f"Bearer {token(system)}"}
    url = system.url("gateway", 8000) + path
    return httpx.request(method, url, json=body, headers=headers, trust_env=False, timeout=30)


@functools.cache
def token(system: Composed) -> str:
    """An administrator's, made as the head of the file says."""
    return system.execute("customer", "forewarn", "token", "--role", "admin", "--subject", "test").strip()


def overdrawn(number: str) -> dict[str, Any]:
    """An invoice to somebody who was granted no limit."""
    return {
        "source": "erp",
        "number": number,
        "customer": {"external_id": "K-1"},
        "currency": "CNY",
        "amount": "1200.00",
        "issued_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "due": "2030-01-31",
    }


class TestFile:
    def test_has_all_services(self) -> None:
        assert {*NAMES, "gateway", "migrate"} <= OURS.keys()

    def test_our_containers_write_nothing_and_may_nothing(self) -> None:
        """INVARIANT: whoever gets into a process finds no way to change the image or to become somebody else."""
        for name, service in OURS.items():
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
        users = [line.split()[1] for line in DOCKERFILE.read_text().splitlines() if line.startswith("USER")]
        assert users
        assert users[-1].split(":")[0] not in ("root", "0")
        assert {name for name, service in OURS.items() if "user" in service} == {"secrets"}
        assert SERVICES["secrets"]["network_mode"] == "none"

    def test_only_the_gateway_can_be_reached(self) -> None:
        """INVARIANT: databases, brokers and services behind the gateway are nobody's to call from outside."""
        assert [name for name, service in SERVICES.items() if "ports" in service] == ["gateway"]
        assert compose_file()["networks"]["inside"]["internal"]
        others = [service.get("networks") for name, service in SERVICES.items() if name not in ("gateway", "secrets")]
        assert others == [["inside"]] * len(others)

    def test_no_secret_stands_in_it(self) -> None:
        for name, service in SERVICES.items():
            for variable in service.get("environment", {}):
                if any(word in variable for word in ("PASSWORD", "KEY", "DATABASE_URL")):
                    assert variable.endswith("_FILE"), f"{name}: {variable}"

    def test_nobody_has_the_secrets_of_another(self) -> None:
        """INVARIANT: a folder of secrets that two can read makes both as powerful as the two together."""
        readers: dict[str, list[str]] = {}
        for name, service in SERVICES.items():
            for volume in service.get("volumes", []):
                if "secrets:" in volume and name != "secrets":
                    assert volume.endswith(":ro"), f"{name} may write its secrets"
                    readers.setdefault(volume.split(":")[0], []).append(name)
        assert readers.pop("kafka-secrets") == ["kafka", "kafka-rights"]
        assert all(len(names) == 1 for names in readers.values()), readers
        assert "secrets" not in readers

    def test_the_broker_is_the_one_tests_run_on(self) -> None:
        pom = (ROOT / "scripts" / "kafka_broker" / "pom.xml").read_text()
        assert f"<kafka.version>{SERVICES['kafka']['image'].split(':')[1]}</kafka.version>" in pom

    def test_the_image_has_all_that_is_needed_to_migrate(self, tmp_path: Path) -> None:
        """INVARIANT: what is installed without the sources around it has to bring its migrations along."""
        source = tmp_path / "source"
        for name in re.findall(r"^COPY (?!--)(?!requirements)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE):
            for part in name.split():
                copied = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
                (source / part).parent.mkdir(parents=True, exist_ok=True)
                copied(ROOT / part, source / part)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
        subprocess.run([*command, "--wheel-dir", str(tmp_path)], check=True, capture_output=True)
        (wheel,) = tmp_path.glob("*.whl")
        packed = set(zipfile.ZipFile(wheel).namelist())
        needed = {str(path.relative_to(ROOT)) for path in ROOT.glob("services/*/migrations/**/*.py")}
        assert needed
        assert needed <= packed


@pytest.mark.kafka
class TestRun:
    def test_an_invoice_through_the_gateway_becomes_a_line_in_the_inbox(self, system: Composed) -> None:
        assert call(system, "POST", "/v1/invoices", overdrawn("IN-1")).status_code == 201
        order = {
            "source": "erp",
            "number": "SO-1",
            "customer": {"external_id": "K-1"},
            "currency": "CNY",
            "amount": "80.00",
            "placed_at": datetime.now(UTC).isoformat(),
        }
        assert call(system, "POST", "/v1/orders", order).status_code == 201

        def warned() -> bool:
            lines = call(system, "GET", "/v1/inbox").json()["items"]
            return any((line.get("customer") or {}).get("external_id") == "K-1" for line in lines)

        eventually(warned, 60)
        assert len(system.pids()) == 7, system.pids()

    def test_everything_agrees(self, system: Composed) -> None:
        found = system.execute("migrate", "forewarn", "reconcile", "--wait", "30", "--json")
        assert '"differences": []' in found

    def test_the_doctor_finds_nothing(self, system: Composed) -> None:
        assert system.execute("migrate", "forewarn", "doctor", "--documents", "--json").strip() == "[]"

    async def test_the_doctor_tells_missing_rights_from_a_bus_that_is_away(self, system: Composed) -> None:
        bus = bus_of(system, "forewarn-ops")
        [found] = await brokers.topics(bus)
        await bus.close()
        assert found.code == "bus_refuses"

    async def test_a_service_is_let_into_its_own_database_only(self, system: Composed) -> None:
        """INVARIANT: each service owns its data; also somebody inside `orders` cannot read what `credit` holds."""
        url = (system.volume("orders-secrets") / "database_url").read_text()
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("select count(*) from document") > 0
            for forbidden in ("create table mine (a int)", "drop table document", "alter table document add a int"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(forbidden)
        finally:
            await connection.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(url.removesuffix("orders") + "credit")

    async def test_a_service_sends_to_its_own_topic_only(self, system: Composed) -> None:
        """INVARIANT: what stands in a topic was said by its producer."""
        bus = bus_of(system, "forewarn-orders")
        producer = await bus.producer()
        with pytest.raises(BusError):
            await producer.send(TOPICS["credit"], 0, [Message(None, b"{}", ())])
        await bus.close()

    async def test_who_watches_reads_warnings_and_sends_none(self, system: Composed) -> None:
        bus = bus_of(system, "forewarn-ops")
        where = [where for where, bounds in (await bus.bounds([TOPICS["alerting"]])).items() if bounds.next > 0]
        assert await bus.read(where[0], 0, 1)
        with pytest.raises(BusError):
            await bus.bounds([TOPICS["credit"]])
        with pytest.raises(BusError):
            await (await bus.producer()).send(TOPICS["alerting"], 0, [Message(None, b"{}", ())])
        await bus.close()

    def test_started_again_it_keeps_its_passwords(self, system: Composed) -> None:
        before = {path: path.read_text() for path in system.volume("migrate-secrets").iterdir()}
        system.execute("secrets", system.inside("secrets", "/deploy/secrets.sh"))
        assert {path: path.read_text() for path in system.volume("migrate-secrets").iterdir()} == before


def bus_of(system: Composed, user: str) -> KafkaBus:
    """The broker as one of its users meets it."""
    environment = system.environment("orders")
    return KafkaBus(
        KafkaSettings(
            bootstrap=environment["FOREWARN_KAFKA_BOOTSTRAP"],
            security="sasl_plaintext",
            user=user,
            password=SecretStr((system.volume("kafka-secrets") / user).read_text()),
        )
    )
