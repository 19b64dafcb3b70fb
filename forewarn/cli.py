"""The command `forewarn`: reads options and environment, calls what does the work, says clearly what went wrong.

Exit codes: 0 done, 1 failed, 2 wrong options or settings, 3 it runs already, or does not run where it should.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import structlog
import typer
import uvloop
from pydantic import ValidationError
from rich.markup import escape

from forewarn import deadletters, processes, restore, sources
from forewarn.api import ApiFailed
from forewarn.data_directory import Address, AlreadyRunning, DataDirectory, DataDirectoryError, NotRunning
from forewarn.demo.command import demo
from forewarn.doctor import doctor
from forewarn.facts_hash import facts_hash
from forewarn.gateway.app import gateway_app
from forewarn.installation import DataDir
from forewarn.lag import lag
from forewarn.migrate import migrate_installation, pending_revisions
from forewarn.platform import (
    ConfigurationError,
    database_variable,
    distributed_platform,
    embedded_platform,
    service_url,
    signing_key,
)
from forewarn.rebuild import rebuild_service
from forewarn.reconcile import reconcile
from forewarn.replay.command import replay
from forewarn.republish import republish
from forewarn.secret_files import read_secret_files
from forewarn.services import all_services, service_called
from forewarn.terminal import err, out
from forewarn.tokens import new_token
from forewarn.topics import topics
from forewarn.up import PROGRAM, Supervisor, UpError
from forewarn.warnings_hash import warnings_hash
from shared.database.database import AWAY
from shared.database.embedded_postgres import PostgresError
from shared.database.migrations import MigrationError
from shared.errors import ForewarnError
from shared.http.auth import ROLES
from shared.messaging.bus import BusError
from shared.runtime.host import WebHost, base_url, bind
from shared.runtime.logging import bind_log_context, configure_logging
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from shared.runtime.tasks import pause
from shared.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FAILED: Final = 1
WRONG_USE: Final = 2
WRONG_STATE: Final = 3

RETRY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)

app = typer.Typer(
    help="Early warnings about customers who owe too much, buy less, cost too much, leave or are hit by a calamity.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command line; every expected failure becomes one line and an exit code."""
    try:
        read_secret_files(os.environ)
        app()
    except (AlreadyRunning, NotRunning) as error:
        _fail(str(error), WRONG_STATE)
    except ValidationError as error:
        _fail("; ".join(_broken_setting(detail) for detail in error.errors()), WRONG_USE)
    except (ConfigurationError, LookupError) as error:
        _fail(str(error), WRONG_USE)
    except (UpError, PostgresError, MigrationError, BusError, DataDirectoryError) as error:
        _fail(str(error), FAILED)
    except (ForewarnError, ApiFailed) as error:
        _fail(f"{error.message} [{error.code}]", FAILED)
    except AWAY as error:
        _fail(f"the database cannot be reached: {error}", FAILED)


@app.command()
def up(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [FOREWARN_HOST, else 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for a free one. [FOREWARN_PORT, else 8000]")] = None,
    single: Annotated[bool, typer.Option("--single", help="Web and worker in one process, for debugging.")] = False,
) -> None:
    """Run everything on this machine: PostgreSQL, all services, the bus. Ctrl-C stops it."""
    settings = _settings(data_dir=data_dir, host=host, port=port)
    # The processes it starts read the same environment.
    os.environ["FOREWARN_DATA_DIR"] = str(settings.data_dir)

    async def supervise() -> None:
        supervisor = Supervisor(settings, all_services(), _announce, single=single, program=PROGRAM)
        async with processes.stopping(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as stop:
            await supervisor.run(stop)

    asyncio.run(supervise())


@app.command()
def run(
    service: Annotated[str, typer.Argument(help="customer, orders, credit, alerting or notify")],
    only: Annotated[
        Literal["web", "worker"] | None,
        typer.Option(help="Only the API, or only the work behind it; health and metrics are served in any case."),
    ] = None,
) -> None:
    """Run one service against databases and bus named by the environment; scale by running more of them."""
    settings, chosen = _settings(), service_called(service, all_services())

    async def serve() -> None:
        platform = distributed_platform(settings, [chosen.name])
        listening = _listen(settings)
        async with processes.stopping(signal.SIGTERM, signal.SIGINT) as stop:
            if await _migrated(chosen, platform, stop):
                await _process([chosen], platform, stop, listening=listening, api=only != "worker", work=only != "web")

    bind_log_context(process=chosen.name)
    uvloop.run(serve())


@app.command()
def gateway() -> None:
    """Serve one port before the services: each request goes on to FOREWARN_URL_<SERVICE>, whose route it is."""
    settings, services = _settings(), all_services()
    urls = {service.name: service_url(service.name) for service in services}

    async def serve() -> None:
        listening = _listen(settings)
        async with processes.stopping(signal.SIGTERM, signal.SIGINT) as stop:
            await WebHost(gateway_app(services, urls), listening).run(stop)

    bind_log_context(process="gateway")
    uvloop.run(serve())


@app.command()
def migrate(
    service: Annotated[list[str] | None, typer.Argument(help="Only these services.")] = None,
) -> None:
    """Bring the databases named by the environment, and the bus's topics, to what this version needs."""
    settings, there = _settings(), all_services()
    chosen = [service_called(name, there) for name in service] if service else _with_url(there)

    async def apply() -> dict[str, list[str]]:
        platform = distributed_platform(settings, [each.name for each in chosen])
        try:
            return await migrate_installation(chosen, platform)
        finally:
            await platform.close()

    for name, revisions in asyncio.run(apply()).items():
        out.print(f"{name}: {', '.join(revisions) if revisions else 'nothing to do'}")


@app.command()
def token(
    role: Annotated[list[str], typer.Option(help=f"One or more of: {', '.join(ROLES)}.")],
    subject: Annotated[str, typer.Option(help="Whom the token speaks for, for example a staff number.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it is valid.")] = 30,
    data_dir: DataDir = None,
) -> None:
    """Print a token for the Authorization header, signed with the installation's key."""
    if unknown := [name for name in role if name not in ROLES]:
        raise ConfigurationError(f"there is no role {unknown[0]!r}; there are: {', '.join(ROLES)}")
    out.print(new_token(signing_key(_settings(data_dir=data_dir)), subject, tuple(role), days))


for command in (demo, replay, facts_hash, warnings_hash, reconcile, lag, topics, republish, doctor):
    app.command()(command)
app.command("rebuild")(rebuild_service)
app.add_typer(restore.app, name="restore")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(sources.app, name="sources")


@app.command(hidden=True)
def process(
    role: Literal["web", "worker", "single"],
    lifeline: Annotated[int, typer.Option()],
    listen: Annotated[int, typer.Option()],
) -> None:
    """One process of `forewarn up`; `lifeline` is a pipe that closes when the supervisor is gone."""
    # Ctrl-C reaches the whole terminal; the supervisor alone decides who stops when.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    settings = _settings()
    listening = socket.socket(fileno=listen)

    async def serve() -> None:
        async with processes.stopping(signal.SIGTERM, lifeline=lifeline) as stop:
            platform = embedded_platform(settings)
            await _process(
                all_services(), platform, stop, listening=listening, api=role != "worker", work=role != "web"
            )

    bind_log_context(process=role)
    with DataDirectory(settings.data_dir).joined():
        uvloop.run(serve())


async def _process(
    services: Sequence[Service],
    platform: Platform,
    stop: asyncio.Event,
    *,
    listening: socket.socket,
    api: bool,
    work: bool,
) -> None:
    deadline = asyncio.create_task(processes.end_hard_after(stop))
    await processes.run_process(services, platform, stop, listening=listening, api=api, work=work)
    deadline.cancel()


async def _migrated(service: Service, platform: Platform, stop: asyncio.Event) -> bool:
    """Wait for the database; whether it has the schema of this program. False only if told to stop meanwhile."""
    while not stop.is_set():
        try:
            if revisions := await pending_revisions(service, platform):
                raise UpError(f"{service.name} lacks the revisions {', '.join(revisions)}; run `forewarn migrate`")
        except AWAY as error:
            log.warning("database_away", service=service.name, error=str(error))
            await pause(stop, RETRY_SECONDS)
        else:
            return True
    return False


def _listen(settings: Settings) -> socket.socket:
    try:
        listening = bind(settings.host, settings.port)
    except OSError as error:
        raise UpError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
    log.info("listening", url=base_url(listening))
    return listening


def _with_url(services: Sequence[Service]) -> list[Service]:
    named = [service for service in services if os.environ.get(database_variable(service.name))]
    if not named:
        raise ConfigurationError(
            "no FOREWARN_DATABASE_URL_<SERVICE> is set; the databases of `forewarn up` are migrated by `forewarn up`"
        )
    return named


def _settings(**given: Any) -> Settings:
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    configure_logging(settings.log_level)
    return settings


def _announce(address: Address) -> None:
    out.print(f"Forewarn is ready: {address.base_url}")
    out.print(f"Admin token: {address.token}")


def _broken_setting(detail: "ErrorDetails") -> str:
    return f"FOREWARN_{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}"


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"[bold red]Error:[/] {escape(message)}")
    sys.exit(code)
