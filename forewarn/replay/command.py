"""The command `forewarn replay`: options, progress and summary on the terminal; the work is the runner's."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from forewarn.data_directory import DataDirectory
from forewarn.replay.client import ReplayClient, ReplayFailed
from forewarn.replay.lines import ReplayRefused
from forewarn.replay.plan import Plan, make_plan
from forewarn.replay.runner import Replay
from forewarn.replay.summary import STATUSES, Summary
from forewarn.replay.translate import Options, Translator
from shared.clock import SystemClock
from shared.errors import InvalidInput
from shared.settings import Settings

REQUEST_SECONDS: Final = 60.0

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


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
    url: Annotated[str | None, typer.Option(help="Base URL, if not the installation on this machine.")] = None,
    token: Annotated[str | None, typer.Option(envvar="FOREWARN_TOKEN", help="Token for --url.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the installation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send a file of documents through the public API. Safe to repeat: known documents are duplicates."""
    try:
        options = Options(source, currency, _zone(time_zone), backfill)
        translator = Translator(options)
        with _progress("counting", None) as advance:
            plan = make_plan(file, translator, chunk=chunk, first=from_line, progress=advance)
        summary = asyncio.run(_run(file, plan, options, give_up_after, _address(url, token, data_dir)))
    except (ReplayRefused, InvalidInput) as error:
        _stop(f"{error} [{error.code}]")
    except ReplayFailed as error:
        _stop(f"{error} [{error.code}]; go on with --from-line {error.next_line}")
    if as_json:
        out.print_json(json.dumps(summary.as_json()))
    else:
        out.print(_table(summary))


async def _run(file: Path, plan: Plan, options: Options, give_up_after: float, address: tuple[str, str]) -> Summary:
    base_url, token = address
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=REQUEST_SECONDS) as http:
        client = ReplayClient(http, backfill=options.backfill, give_up_after=give_up_after)
        with _progress("sending", plan.lines) as advance:

            def finished(line: int) -> None:
                advance(line - plan.first + 1)

            return await Replay(file, plan, options, client, SystemClock(), progress=finished).run()


def _address(url: str | None, token: str | None, data_dir: Path | None) -> tuple[str, str]:
    if url is not None and token is not None:
        return url, token
    directory = data_dir if data_dir is not None else Settings().data_dir
    address = DataDirectory(directory).address()
    return url or address.base_url, token or address.token


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
    table.add_row("seconds", f"{summary.seconds:.1f}")
    return table


def _stop(message: str) -> None:
    err.print(f"Error: {message}", style="bold red", markup=False)
    sys.exit(1)
