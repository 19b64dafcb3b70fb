"""The command as it is called: options, summary, and what is refused before anything is sent."""

import json
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from forewarn.replay import command
from tests.forewarn.replay.fake_server import FakeServer
from tests.forewarn.replay.support import order, write

app = typer.Typer()
app.command()(command.replay)

ADDRESS = ["--url", "http://server", "--token", "secret"]
ZONE = ["--time-zone", "Asia/Shanghai", "--currency", "CNY"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The server every HTTP client of this test reaches."""
    server = FakeServer()
    transport = httpx.MockTransport(server.answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", transport.handle_async_request)
    return server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "f.gz", [order(1), order(2), order(1)])


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


class TestReplayCommand:
    def test_prints_a_summary_for_scripts(self, server: FakeServer, file: Path) -> None:
        code, out, _ = invoke(file, *ADDRESS, *ZONE, "--json", "--source", "erp-1", "--backfill")
        assert code == 0
        found = json.loads(out)
        assert (found["read"], found["accepted"], found["duplicate"]) == (3, 2, 1)
        assert all(row["source"] == "erp-1" for row in server.documents.values())

    def test_counts_no_effects_on_an_installation_elsewhere(self, server: FakeServer, file: Path) -> None:  # noqa: ARG002
        """INVARIANT: effects are read from this machine's databases, and would be those of another installation."""
        _, out, err = invoke(file, *ADDRESS, *ZONE, "--json")
        found = json.loads(out)
        assert (found["events_applied"], found["warnings"], found["caught_up"]) == (None, None, None)
        assert err

    def test_prints_a_summary_for_people(self, server: FakeServer, file: Path) -> None:  # noqa: ARG002
        code, out, _ = invoke(file, *ADDRESS, *ZONE)
        assert code == 0
        assert "accepted" in out

    def test_a_missing_zone_is_said_with_its_line_and_nothing_is_sent(self, server: FakeServer, file: Path) -> None:
        code, _, err = invoke(file, *ADDRESS, "--currency", "CNY")
        assert code == 1
        assert "line 1: " in err
        assert "--time-zone" in err
        assert not server.requests

    @pytest.mark.parametrize("option", [["--time-zone", "Europe/Atlantis"], ["--currency", "XXX"]])
    def test_a_wrong_option_is_refused(self, server: FakeServer, file: Path, option: list[str]) -> None:
        code, _, err = invoke(file, *ADDRESS, *ZONE, *option)
        assert code == 1
        assert "Error: " in err
        assert not server.requests
