"""`forewarn up` with real processes: start, stop, and every process killed from outside."""

import os
import signal
import socket
import stat
import subprocess
import time

import httpx
import psutil
import pytest

from tests.support.installation import Installation, eventually

pytestmark = pytest.mark.system


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestStart:
    def test_prints_address_and_token_once_it_answers(self, new_installation: Installation) -> None:
        supervisor = new_installation.up()
        assert supervisor.stdout is not None
        first, second = supervisor.stdout.readline(), supervisor.stdout.readline()
        address = new_installation.address()
        assert first == f"Forewarn is ready: {address['base_url']}\n"
        assert second.startswith("Admin token: ")
        assert new_installation.status() == 200
        assert set(address["pids"]) == {"supervisor", "postgres", "web", "worker"}
        eventually(lambda: new_installation.ticks() > 2)

    def test_the_printed_token_opens_what_is_closed_without_it(self, running: Installation) -> None:
        url, bearer = running.address()["base_url"] + "/openapi.json", f"Bearer {running.address()['token']}"
        assert httpx.get(url, trust_env=False).status_code == 401
        assert httpx.get(url, trust_env=False, headers={"Authorization": bearer}).status_code == 200

    def test_each_process_shows_its_own_health_and_metrics(self, running: Installation) -> None:
        """INVARIANT: what waits and what cannot be applied is known to the worker; unseen it would grow in silence."""
        web, worker = running.address()["base_url"], running.address()["worker_url"]
        for url in (web, worker):
            assert httpx.get(url + "/healthz", trust_env=False).status_code == 200
            assert httpx.get(url + "/readyz", trust_env=False).json()["services"] == {"notify": "ready"}
            assert "loop_lag_seconds" in httpx.get(url + "/metrics", trust_env=False).text
        assert httpx.get(worker + "/openapi.json", trust_env=False).status_code == 404

    def test_nobody_else_can_read_its_files(self, running: Installation) -> None:
        """INVARIANT: the address file holds an administrator's token, the key file signs tokens."""
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (*running.data_dir.iterdir(), *running.server.home.iterdir())
            if path.name != "up.log"
        }
        assert modes["address.json"] == modes["token.key"] == modes["passwords.json"] == 0o600
        assert all(mode & 0o077 == 0 for mode in modes.values())

    def test_a_second_one_refuses_and_says_where_the_first_is(self, running: Installation) -> None:
        """INVARIANT: two supervisors on one directory would fight over one PostgreSQL."""
        second = running.up()
        assert second.wait(20) == 3
        assert f"runs already on {running.data_dir} (process {running.pid('supervisor')}" in running.log()
        assert running.status() == 200

    def test_a_taken_port_is_said_and_leaves_nothing_behind(self, installation: Installation) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert installation.up("--port", str(port)).wait(20) == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in installation.log()
        assert installation.processes() == []

    def test_single_runs_web_and_worker_in_one_process(self, installation: Installation) -> None:
        installation.up_and_ready("--single")
        assert set(installation.address()["pids"]) == {"supervisor", "postgres", "single"}
        assert installation.address()["worker_url"] is None
        assert installation.status() == 200
        eventually(lambda: installation.ticks() > 2)


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_web_then_worker_then_postgres(self, installation: Installation, number: signal.Signals) -> None:
        """INVARIANT: what web accepted can still be relayed; what the worker does can still be committed."""
        supervisor = installation.up_and_ready()
        pids = installation.address()["pids"]
        supervisor.send_signal(number)
        gone: list[str] = []
        deadline = time.monotonic() + 20
        while len(gone) < 3 and time.monotonic() < deadline:
            gone += [name for name in ("web", "worker", "postgres") if name not in gone and not alive(pids[name])]
            time.sleep(0.002)
        assert gone == ["web", "worker", "postgres"]
        assert supervisor.wait(10) == 0
        assert not (installation.data_dir / "address.json").exists()
        assert installation.processes() == []

    def test_ctrl_c_of_a_whole_terminal_keeps_the_order(self, installation: Installation) -> None:
        supervisor = installation.up_and_ready()
        os.killpg(supervisor.pid, signal.SIGINT)
        assert supervisor.wait(20) == 0
        assert installation.processes() == []
        assert "process_died" not in installation.log()

    @pytest.mark.parametrize("seconds", [0.7, 1.4, 2.2, 3.6])
    def test_in_the_middle_of_a_start_leaves_nothing_behind(
        self, new_installation: Installation, seconds: float
    ) -> None:
        supervisor = new_installation.up()
        time.sleep(seconds)
        supervisor.terminate()
        assert supervisor.wait(30) in {0, -signal.SIGTERM}
        eventually(lambda: new_installation.processes() == [], 5)
        new_installation.up_and_ready()

    def test_everything_is_there_after_the_next_start(self, installation: Installation) -> None:
        supervisor = installation.up_and_ready()
        eventually(lambda: installation.ticks() > 2)
        supervisor.terminate()
        supervisor.wait(20)
        installation.up_and_ready()
        assert installation.ticks() > 2


class TestKill:
    def test_web_comes_back_at_the_same_address(self, running: Installation) -> None:
        url, killed = running.address()["base_url"], running.kill("web")
        assert running.status() == 200, "the connection waits for the next process"
        eventually(lambda: running.pid("web") != killed)
        assert running.address()["base_url"] == url

    def test_worker_comes_back(self, running: Installation) -> None:
        killed = running.kill("worker")
        eventually(lambda: running.pid("worker") != killed)
        ticks = running.ticks()
        eventually(lambda: running.ticks() > ticks)
        assert running.status() == 200

    def test_postgres_comes_back_and_nobody_else_ends(self, running: Installation) -> None:
        """INVARIANT: a database that is away for a moment must cost a 503, not a restart of everything."""
        before = running.address()["pids"]
        running.kill("postgres")
        eventually(lambda: running.status() == 503, 5)
        eventually(lambda: running.pid("postgres") != before["postgres"])
        eventually(lambda: running.status() == 200)
        ticks = running.ticks()
        eventually(lambda: running.ticks() > ticks)
        after = running.address()["pids"]
        assert (after["web"], after["worker"]) == (before["web"], before["worker"])

    def test_a_backend_of_postgres_costs_nobody_anything(self, running: Installation) -> None:
        before = running.address()["pids"]
        backends = [
            each for each in psutil.Process(before["postgres"]).children() if "notify" in " ".join(each.cmdline())
        ]
        ticks = running.ticks()
        backends[0].kill()
        eventually(lambda: running.ticks() > ticks + 5)
        eventually(lambda: running.status() == 200)
        assert running.address()["pids"] == before

    def test_of_the_supervisor_ends_web_and_worker_and_the_next_one_adopts_postgres(
        self, installation: Installation
    ) -> None:
        """INVARIANT: without the pipe two workers and two webs would stay behind each kill -9."""
        installation.up_and_ready()
        pids = installation.address()["pids"]
        installation.kill("supervisor")
        eventually(lambda: not alive(pids["web"]) and not alive(pids["worker"]), 10)
        assert alive(pids["postgres"])
        installation.up_and_ready()
        assert installation.pid("postgres") == pids["postgres"]
        assert installation.status() == 200

    def test_of_the_supervisor_with_an_immediate_restart_never_runs_two_workers(
        self, installation: Installation
    ) -> None:
        installation.up_and_ready()
        old = installation.address()["pids"]
        installation.kill("supervisor")
        installation.up_and_ready()
        assert not alive(old["web"])
        assert not alive(old["worker"])

    def test_of_everything_at_once_loses_nothing(self, installation: Installation) -> None:
        """INVARIANT (F51): a stale postmaster.pid must not keep the next start from recovering."""
        installation.up_and_ready()
        eventually(lambda: installation.ticks() > 2)
        for name in ("supervisor", "web", "worker", "postgres"):
            installation.kill(name)
        installation.up_and_ready()
        assert installation.ticks() > 2
        assert installation.status() == 200

    @pytest.mark.parametrize("seconds", [1.4, 2.2, 3.6])
    def test_in_the_middle_of_the_first_start_is_recovered(
        self, new_installation: Installation, seconds: float
    ) -> None:
        supervisor = new_installation.up()
        time.sleep(seconds)
        supervisor.kill()
        supervisor.wait()
        new_installation.up_and_ready()
        assert new_installation.status() == 200


class TestUnprivileged:
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL belongs to somebody else")
    def test_postgres_of_root_belongs_to_another_user(self, running: Installation) -> None:
        assert psutil.Process(running.pid("postgres")).uids().effective != 0


def test_the_operating_system_sees_no_password(running: Installation) -> None:
    """INVARIANT: every user of the machine can read command lines."""
    written = (running.server.home / "passwords.json").read_text()
    secrets = [word for word in written.split('"') if len(word) == 64]
    assert len(secrets) == 7
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not any(secret in shown for secret in secrets)
