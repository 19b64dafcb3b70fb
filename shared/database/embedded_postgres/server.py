"""The embedded server itself: its folder, configuration, passwords, start, adoption and stop.

It blocks; asyncio code calls it in a thread. One caller at a time: `forewarn up` holds a lock on the data directory.
"""

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import psutil

from shared.database.embedded_postgres.owner import Owner, owner_of
from shared.database.embedded_postgres.programs import MAJOR, find_programs
from shared.files import write_private

SUPERUSER: Final = "postgres"
PORT: Final = 5432
"""Only part of the socket's name: the server listens on no network address."""
ELSEWHERE: Final = Path("/var/lib/forewarn")
"""Where root's server lives when its user may not enter the data directory (a checkout below /root)."""
LONGEST_SOCKET_PATH: Final = 100
"""A socket's path has 108 bytes on Linux and 104 on macOS, with the NUL."""
START_SECONDS: Final = 600
"""Recovery after a crash replays up to `max_wal_size`; it is slow on a slow disk, but it ends."""
STOP_SECONDS: Final = 20

CONFIGURATION: Final = """\
# Written by Forewarn at every start. Put your own settings into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
port = {port}
cluster_name = '{cluster}'
# 5 services x 2 processes x 8 pooled, 2 x 8 for the bus, about 30 that listen or hold a leader's lock, the rest spare.
max_connections = 150
shared_buffers = 128MB
fsync = {durable}
synchronous_commit = on
full_page_writes = {durable}
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
idle_in_transaction_session_timeout = 30s
password_encryption = scram-sha-256
# Passwords are 256 random bits, so iterations add no safety; the driver counts them in Python, 4096 take 10 ms or more.
scram_iterations = 64
logging_collector = on
log_directory = '{logs}'
log_filename = 'server-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] %q%u@%d '
# Statements, parameters and key values can carry personal data, so none of them may reach a log.
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
"""

ACCESS: Final = "local all all scram-sha-256\n"

PROVISION_LOCK: Final = 1

PROVISION: Final = """\
SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{password}';
SELECT 'CREATE DATABASE {role} OWNER {role}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{role}') \\gexec
REVOKE ALL ON DATABASE {role} FROM PUBLIC;
"""


class PostgresError(Exception):
    """The embedded server cannot be run as it stands; the message says why and what to do."""


class EmbeddedPostgres:
    """A PostgreSQL below `data_dir/postgres`. Making the object touches nothing; `start` does.

    `durable=False` is for tests: data survive a kill of every process, but not a loss of power.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.absolute()
        self._durable = durable

    @property
    def home(self) -> Path:
        """Folder of everything that belongs to the server, free of symbolic links."""
        return (self._data_dir / "postgres").resolve()

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "data"

    def start(self) -> None:
        """Return when the server takes connections: adopted if it runs already, else started, made on first use."""
        owner = self._prepare_home()
        programs = self._programs(owner)
        self._initialise(programs, owner)
        self._configure(owner)
        if self.adopt():
            return
        self._clear_remains()
        (self.home / "start.log").unlink(missing_ok=True)
        command = [str(programs / "pg_ctl"), "start", "--wait", f"--timeout={START_SECONDS}"]
        command += ["--pgdata", str(self.data), "--log", str(self.home / "start.log")]
        outcome = owner.run(command, cwd=self.home, timeout=START_SECONDS + 30)
        if outcome.returncode != 0:
            raise PostgresError(f"PostgreSQL did not start: {outcome.stderr.strip()}; {self._last_words()}")

    def adopt(self) -> bool:
        """Take over a server that runs already; waits while it recovers. False if there is none."""
        deadline = time.monotonic() + START_SECONDS
        while self.pid() is not None:
            if self._postmaster_file()[-1:] == ["ready"]:
                return True
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL runs, but takes no connections; {self._last_words()}")
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        """End the server and return when it has ended; does nothing if it does not run."""
        pid = self.pid()
        if pid is None:
            return
        for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, STOP_SECONDS), (signal.SIGKILL, 5)):
            _signal(pid, how)
            if _wait_until(lambda: self.pid() != pid, seconds):
                break
        self._clear_remains()
        if self._sockets().parent != self.home:
            shutil.rmtree(self._sockets(), ignore_errors=True)

    def pid(self) -> int | None:
        """Process id of this folder's postmaster, or None. A number taken over by a stranger does not count."""
        lines = self._postmaster_file()
        if not lines or not lines[0].isdigit():
            return None
        try:
            process = psutil.Process(int(lines[0]))
            # The command line, not the working directory: root in a container may not read the latter.
            ours = process.status() != psutil.STATUS_ZOMBIE and str(self.data) in process.cmdline()
        except psutil.NoSuchProcess:
            return None
        return process.pid if ours else None

    def provision(self, names: Sequence[str]) -> None:
        """Make sure that every name has a database `forewarn_<name>` and a role of that name which alone can use it."""
        passwords = self._passwords()
        missing = {_role(name): secrets.token_hex(32) for name in names if _role(name) not in passwords}
        if missing:
            passwords |= missing
            self._write_passwords(passwords)
        script = [PROVISION.format(role=role, password=passwords[role]) for role in map(_role, names)]
        # A supervisor killed in the middle of this leaves a psql behind, which goes on with the same statements.
        alone = f"SELECT pg_advisory_lock({PROVISION_LOCK}) \\g /dev/null\n"
        closed = [f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n" for database in (SUPERUSER, "template1")]
        self.execute("".join([alone, *closed, *script]))

    def dsn(self, name: str, *, database: str | None = None) -> str:
        """How the role of `name` reaches its database, or another one."""
        return self._dsn(_role(name), database or _role(name))

    def superuser_dsn(self, database: str = SUPERUSER) -> str:
        """How the superuser reaches a database: for provisioning, backup and tests, never for a service."""
        return self._dsn(SUPERUSER, database)

    def execute(self, script: str, *, database: str = SUPERUSER) -> None:
        """Run SQL (psql's dialect) as superuser, each statement in its own transaction."""
        owner = owner_of(self.data)
        command = [str(self._programs(owner) / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        command += ["--no-password", "--host", str(self._sockets()), f"--port={PORT}"]
        outcome = subprocess.run(
            [*command, "--username", SUPERUSER, database],
            input=script,
            env=os.environ | {"PGPASSWORD": self._passwords()[SUPERUSER], "PGOPTIONS": "", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if outcome.returncode != 0:
            raise PostgresError(f"PostgreSQL refused: {outcome.stderr.strip()}")

    def _dsn(self, role: str, database: str) -> str:
        password = self._passwords().get(role)
        if password is None:
            raise PostgresError(f"the embedded PostgreSQL has no role {role}; run `forewarn up`")
        where = urlencode({"host": str(self._sockets()), "port": PORT}, quote_via=quote)
        return f"postgresql://{role}:{password}@/{database}?{where}"

    def _prepare_home(self) -> Owner:
        self._data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        owner = owner_of(self.data)
        if not owner.may_enter(self._data_dir.resolve()) and not (self._data_dir / "postgres").exists():
            ELSEWHERE.mkdir(mode=0o711, parents=True, exist_ok=True)
            (self._data_dir / "postgres").symlink_to(tempfile.mkdtemp(prefix="embedded-", dir=ELSEWHERE))
        self.home.mkdir(mode=0o700, exist_ok=True)
        owner.take(self.home)
        if not owner.may_enter(self.home):
            raise PostgresError(f"the user who runs PostgreSQL (uid {owner.uid}) may not enter {self.home}")
        self._prepare_sockets(owner)
        return owner

    def _prepare_sockets(self, owner: Owner) -> None:
        folder = self._sockets()
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (owner.uid, os.geteuid()):
            raise PostgresError(f"{folder} belongs to another user; remove it")
        owner.take(folder)

    def _sockets(self) -> Path:
        """Folder of the socket: in `home`, or where its path would be too long, below /tmp, named after `home`."""
        folder = self.home / "socket"
        if len(os.fsencode(folder)) + len(f"/.s.PGSQL.{PORT}.lock") <= LONGEST_SOCKET_PATH:
            return folder
        return Path("/tmp", self._cluster())

    def _cluster(self) -> str:
        return "forewarn-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]

    def _programs(self, owner: Owner) -> Path:
        try:
            return find_programs(self.home, owner)
        except LookupError as error:
            raise PostgresError(str(error)) from error

    def _initialise(self, programs: Path, owner: Owner) -> None:
        if self.data.exists():
            version = (self.data / "PG_VERSION").read_text().strip()
            if version != str(MAJOR):
                raise PostgresError(f"{self.data} was made by PostgreSQL {version}; this program brings {MAJOR}")
            return
        self._write_passwords({SUPERUSER: secrets.token_hex(32)})
        for left in self.home.glob("data-*"):
            shutil.rmtree(left, ignore_errors=True)
        # A new name each time: an initdb whose caller was killed may still be writing into the last one.
        unfinished, password = self.home / f"data-{secrets.token_hex(4)}", self.home / "initdb.password"
        write_private(password, self._passwords()[SUPERUSER])
        owner.take(password)
        command = [str(programs / "initdb"), f"--pgdata={unfinished}", f"--username={SUPERUSER}"]
        command += [f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]
        outcome = owner.run(command if self._durable else [*command, "--no-sync"], cwd=self.home, timeout=300)
        password.unlink()
        if outcome.returncode != 0:
            raise PostgresError(f"initdb failed: {outcome.stderr.strip()}")
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("include 'forewarn.conf'\ninclude_if_exists 'local.conf'\n")
        unfinished.rename(self.data)

    def _configure(self, owner: Owner) -> None:
        logs = self.home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        owner.take(logs)
        settings = CONFIGURATION.format(
            sockets=_quoted(self._sockets()),
            port=PORT,
            cluster=self._cluster(),
            durable="on" if self._durable else "off",
            logs=_quoted(logs),
        )
        for name, text in (("forewarn.conf", settings), ("pg_hba.conf", ACCESS)):
            write_private(self.data / name, text)
            owner.take(self.data / name)

    def _clear_remains(self) -> None:
        """Forget the locks of a dead postmaster, wait for processes it left behind, end those that stay."""
        if self._postmaster_file() and self.pid() is None:
            # PostgreSQL takes a zombie or a stranger with the same number for a living server, and would not start.
            for left in (self.data / "postmaster.pid", self._sockets() / f".s.PGSQL.{PORT}.lock"):
                left.unlink(missing_ok=True)
        if not _wait_until(lambda: not self._orphans(), 5):
            for process in self._orphans():
                _signal(process.pid, signal.SIGKILL)
            _wait_until(lambda: not self._orphans(), 5)

    def _orphans(self) -> list[psutil.Process]:
        title = f"postgres: {self._cluster()}: "
        processes = psutil.process_iter(["cmdline"])  # a zombie has no command line
        return [process for process in processes if " ".join(process.info["cmdline"] or ()).startswith(title)]

    def _postmaster_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _last_words(self) -> str:
        logs = [*(self.home / "logs").glob("*.log"), *self.home.glob("start.log")]
        if not logs:
            return f"there is no log in {self.home}"
        newest = max(logs, key=lambda file: file.stat().st_mtime_ns)
        return f"the end of {newest}: " + " | ".join(newest.read_text(errors="replace").splitlines()[-5:])

    def _passwords(self) -> dict[str, str]:
        try:
            passwords: dict[str, str] = json.loads((self.home / "passwords.json").read_text())
        except FileNotFoundError as error:
            raise PostgresError(f"{self.home}/passwords.json is missing: restore it, or start afresh") from error
        return passwords

    def _write_passwords(self, passwords: dict[str, str]) -> None:
        write_private(self.home / "passwords.json", json.dumps(passwords, indent=2))


def _role(name: str) -> str:
    return f"forewarn_{name}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
