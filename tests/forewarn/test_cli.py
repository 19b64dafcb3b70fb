"""The command line: what is wrong is said in one line, with an exit code; one service can run by environment."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from forewarn.data_directory import DataDirectory, NotRunning
from shared.clock import SystemClock
from shared.http.auth import Principal, TokenVerifier
from tests.support.installation import ROOT, Installation, environment, eventually
from tests.support.postgres import FreshDatabase
from tests.support.program import PROGRAM

pytestmark = pytest.mark.system


def forewarn(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=ROOT,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(log: Path, *words: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    with log.open("w") as written:
        process = subprocess.Popen(
            [*PROGRAM, *words], cwd=ROOT, env=environment() | variables, stderr=written, text=True
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def variables(fresh_database: FreshDatabase) -> dict[str, str]:
    return {
        "FOREWARN_DATABASE_URL_NOTIFY": fresh_database("notify"),
        "FOREWARN_BUS_DATABASE_URL": fresh_database("bus"),
        "FOREWARN_TOKEN_KEY": "k" * 64,
        "FOREWARN_PORT": "0",
    }


class TestWrongUse:
    @pytest.mark.parametrize(
        ("words", "variables", "said"),
        [
            (["run", "billing"], {}, "there is no service 'billing'; there are: notify"),
            (["run", "notify"], {}, "FOREWARN_TOKEN_KEY is not set"),
            (["run", "notify"], {"FOREWARN_TOKEN_KEY": "k"}, "FOREWARN_TOKEN_KEY is too short"),
            (
                ["run", "notify"],
                {"FOREWARN_TOKEN_KEY": "k" * 32},
                "FOREWARN_DATABASE_URL_NOTIFY is not set, for example",
            ),
            (
                ["run", "notify"],
                {"FOREWARN_TOKEN_KEY": "k" * 32, "FOREWARN_DATABASE_URL_NOTIFY": "postgresql://nowhere"},
                "no bus is named",
            ),
            (["migrate"], {}, "no FOREWARN_DATABASE_URL_<SERVICE> is set"),
            (["up"], {"FOREWARN_PORT": "http"}, "FOREWARN_PORT: Input should be a valid integer"),
            (["up"], {"FOREWARN_TIME_ZONE": "Mars"}, "FOREWARN_TIME_ZONE: Value error, there is no time zone 'Mars'"),
            (["token", "--role", "king", "--subject", "s1"], {}, "there is no role 'king'; there are: admin"),
        ],
    )
    def test_is_said_in_one_line(self, words: list[str], variables: dict[str, str], said: str) -> None:
        outcome = forewarn(*words, **variables)
        assert outcome.returncode == 2
        assert outcome.stderr.startswith(f"Error: {said}")
        assert outcome.stderr.count("\n") == 1


class TestToken:
    def test_is_signed_with_the_key_of_the_installation(self, installation: Installation) -> None:
        words = [
            "token",
            "--role",
            "ops",
            "--role",
            "sales",
            "--subject",
            "s1",
            "--data-dir",
            str(installation.data_dir),
        ]
        outcome = forewarn(*words)
        assert outcome.returncode == 0
        keys = {"1": DataDirectory(installation.data_dir).token_key().encode()}
        assert TokenVerifier(keys, SystemClock()).verify(outcome.stdout.strip()) == Principal(
            "s1", frozenset(("ops", "sales"))
        )

    def test_without_an_installation_says_how_to_get_one(self, tmp_path: Path) -> None:
        outcome = forewarn("token", "--role", "ops", "--subject", "s1", "--data-dir", str(tmp_path))
        assert outcome.returncode == 3
        assert "start one with `forewarn up`" in outcome.stderr


class TestAddress:
    def test_of_a_killed_installation_counts_as_none(self, installation: Installation) -> None:
        """INVARIANT: a stale address would send a token to whoever listens on that port now."""
        supervisor = installation.up_and_ready()
        directory = DataDirectory(installation.data_dir)
        assert directory.address().base_url == installation.address()["base_url"]
        installation.kill("supervisor")
        supervisor.wait()
        with pytest.raises(NotRunning, match="does not run"):
            directory.address()


class TestMigrate:
    def test_tells_what_it_applied(self, variables: dict[str, str]) -> None:
        assert forewarn("migrate", **variables).stdout == "notify: 0001\n"
        assert forewarn("migrate", "notify", **variables).stdout == "notify: nothing to do\n"

    def test_an_unreachable_database_is_said(self, variables: dict[str, str]) -> None:
        variables["FOREWARN_DATABASE_URL_NOTIFY"] = "postgresql://nobody:secret@127.0.0.1:1/notify"
        outcome = forewarn("migrate", **variables)
        assert outcome.returncode == 1
        assert outcome.stderr.startswith("Error: the database cannot be reached")
        assert "secret" not in outcome.stderr


class TestRun:
    def test_an_unmigrated_database_is_refused(self, variables: dict[str, str]) -> None:
        """INVARIANT: new code on old tables would fail request by request instead of at the start."""
        outcome = forewarn("run", "notify", **variables)
        assert outcome.returncode == 1
        assert "notify lacks the revisions 0001; run `forewarn migrate`" in outcome.stderr

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_and_stops_when_told(
        self, variables: dict[str, str], tmp_path: Path, number: signal.Signals
    ) -> None:
        forewarn("migrate", **variables)
        with serving(tmp_path / "log", "run", "notify", **variables) as process:
            url = url_in(tmp_path / "log")
            eventually(lambda: answers(f"{url}/readyz"))
            process.send_signal(number)
            assert process.wait(10) == 0

    def test_a_pure_worker_shows_health_and_metrics_and_nothing_else(
        self, variables: dict[str, str], tmp_path: Path
    ) -> None:
        forewarn("migrate", **variables)
        with serving(tmp_path / "log", "run", "notify", "--only", "worker", **variables):
            url = url_in(tmp_path / "log")
            eventually(lambda: answers(f"{url}/healthz"))
            assert answers(f"{url}/readyz")
            assert answers(f"{url}/metrics")
            assert httpx.get(f"{url}/openapi.json", trust_env=False).status_code == 404

    def test_a_database_that_is_away_is_waited_for(self, variables: dict[str, str], tmp_path: Path) -> None:
        variables["FOREWARN_DATABASE_URL_NOTIFY"] = "postgresql://nobody:secret@127.0.0.1:1/notify"
        with serving(tmp_path / "log", "run", "notify", **variables) as process:
            eventually(lambda: (tmp_path / "log").read_text().count("database_away") > 1)
            assert process.poll() is None
            process.terminate()
            assert process.wait(10) == 0


def url_in(log: Path) -> str:
    """Where a process says that it listens."""
    eventually(lambda: '"url": "' in log.read_text())
    return log.read_text().split('"url": "')[1].split('"')[0]


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_environment_of_the_tests_names_no_installation() -> None:
    assert not [name for name in os.environ if name.startswith("FOREWARN_DATABASE_URL")]
