"""The command `forewarn replay`: options, progress and summary on the terminal; the work is the runner's."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from forewarn.api import Token, Url, api_address, api_client
from forewarn.data_directory import Address
from forewarn.installation import DataDir, installation
from forewarn.replay.client import ReplayClient, ReplayFailed
from forewarn.replay.effects import effects_since, positions_of
from forewarn.replay.lines import ReplayRefused
from forewarn.replay.plan import Plan, make_plan
from forewarn.replay.runner import Replay
from forewarn.replay.summary import STATUSES, Summary
from forewarn.replay.translate import Options, Translator
from forewarn.terminal import AsJson, err, out, print_json, say
from shared.clock import SystemClock
from shared.errors import InvalidInput
from shared.settings import Settings

REQUEST_SECONDS: Final = 60.0


def replay(
    file: Annotated[Path, typer.Argument(help="JSON lines, plain or gzip, one document a line.")],
    source: Annotated[str, typer.Option(help="Name of the source the documents come from.")] = "replay",
    currency: Annotated[str | None, typer.Option(help="Currency of lines that name none.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Zone of times that name none, as Europe/London.")] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill/--live", help="Declared history: recorded and judged, never pushed.")
    ] = False,
    chunk: Annotated[int, typer.Option(min=1, max=5000, help="Lines to a chunk.")] = 1000,
    from_line: Annotated[int, typer.Option(min=1, help="Go on at this line; those before it were sent.")] = 1,
    give_up_after: Annotated[float, typer.Option(min=0, help="Seconds to wait for a server that is away.")] = 120.0,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until the services have caught up.")] = 60.0,
    url: Url = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a file of documents through the public API. Safe to repeat: known documents are duplicates."""
    try:
        options = Options(source, currency, _zone(time_zone), backfill)
        translator = Translator(options)
        with _progress("counting", None) as advance:
            plan = make_plan(file, translator, chunk=chunk, first=from_line, progress=advance)
        send = partial(_send, file, plan, options, give_up_after, api_address(url, token, data_dir))
        summary = asyncio.run(send() if url else _observed(send, data_dir or Settings().data_dir, wait))
    except (ReplayRefused, InvalidInput) as error:
        _stop(f"{error} [{error.code}]")
    except ReplayFailed as error:
        _stop(f"{error} [{error.code}]; go on with --from-line {error.next_line}")
    if as_json:
        print_json(summary.as_json())
    else:
        out.print(_table(summary))
    if summary.effects is None:
        say("Events applied and warnings are not counted: their databases belong to another installation.")
    elif summary.effects.unrest:
        say(f"These are no final figures: {summary.effects.unrest}")


async def _observed(send: Callable[[], Awaitable[Summary]], data_dir: Path, wait: float) -> Summary:
    """The same run, and what the services behind that very address made of it, whatever the environment names."""
    async with installation(data_dir) as (services, platform):
        before = await positions_of(services, platform)
        summary = await send()
        summary.effects = await effects_since(before, services, platform, wait)
    return summary


async def _send(file: Path, plan: Plan, options: Options, give_up_after: float, address: Address) -> Summary:
    async with api_client(address, REQUEST_SECONDS) as http:
        client = ReplayClient(http, backfill=options.backfill, give_up_after=give_up_after)
        with _progress("sending", plan.lines) as advance:

            def finished(line: int) -> None:
                advance(line - plan.first + 1)

            return await Replay(file, plan, options, client, SystemClock(), progress=finished).run()


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        raise InvalidInput("time_zone", f"There is no time zone {name!r}; write it like Europe/London.") from None


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _table(summary: Summary) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("read", str(summary.read))
    for status in STATUSES:
        table.add_row(status, str(getattr(summary, status)))
    for code, count in sorted(summary.refused.items()):
        table.add_row(f"refused: {code}", str(count))
    table.add_row("not yet supported", str(summary.not_yet_supported))
    for name, count in sorted(summary.ignored_fields.items()):
        table.add_row(f"ignored field: {name}", str(count))
    for refused in summary.examples:
        table.add_row(f"line {refused.line}", f"{refused.code}: {refused.message}")
    if summary.effects is not None:
        for service, count in summary.effects.events_applied.items():
            table.add_row(f"events applied: {service}", str(count))
        for rule, tiers in summary.effects.warnings.items():
            table.add_row(f"warnings: {rule}", ", ".join(f"{count} {tier}" for tier, count in tiers.items()))
    table.add_row("seconds", f"{summary.seconds:.1f}")
    return table


def _stop(message: str) -> None:
    err.print(f"Error: {message}", style="bold red", markup=False)
    sys.exit(1)
