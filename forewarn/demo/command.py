"""The command `forewarn demo`: brings an installation of its own up, plays the stories on it, shows what came out."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from forewarn import processes
from forewarn.data_directory import Address
from forewarn.demo.books import CURRENCY, ZONE
from forewarn.demo.distributor import Distributor, simulate
from forewarn.demo.play import Player
from forewarn.demo.verdict import Told, Verdict, Warned, judge, opened
from forewarn.demo.writing import write_lines
from forewarn.quiet import settled
from forewarn.replay.client import ReplayClient
from forewarn.services import all_services
from forewarn.up import PROGRAM, Supervisor, UpError
from shared.clock import SystemClock
from shared.runtime.logging import configure_logging
from shared.settings import Settings

MARK: Final = "demo.json"
"""Says which demo a data directory belongs to; without it the directory is not ours to empty."""

SHOWN_DOCUMENTS: Final = 6

out = Console(soft_wrap=True, highlight=False)


def demo(
    seed: Annotated[int, typer.Option(help="Another seed makes up another distributor.")] = 1,
    data_dir: Annotated[Path, typer.Option(help="Folder of the demo's own installation.")] = Path(".forewarn/demo"),
    port: Annotated[int, typer.Option(help="Port, 0 for a free one.")] = 8000,
    day_seconds: Annotated[float, typer.Option(min=0, help="How long a day of the last 60 takes.")] = 2.0,
    leave: Annotated[bool, typer.Option("--exit", help="End after the stories; code 1 if one went wrong.")] = False,
    write: Annotated[Path | None, typer.Option(help="Write the documents to this file and do nothing else.")] = None,
) -> None:
    """Play a distributor's two years and leave the system up: stories, what it said to each, and why."""
    today = SystemClock().now().astimezone(ZONE).date()
    distributor = simulate(seed, today)
    if write is not None:
        out.print(f"{write_lines(distributor.lines(), write)} documents written to {write}")
        return
    settings = Settings(data_dir=data_dir, port=port, time_zone=str(ZONE), base_currency=CURRENCY, log_level="WARNING")
    # The processes it starts read the same environment.
    os.environ.update(
        FOREWARN_DATA_DIR=str(data_dir),
        FOREWARN_TIME_ZONE=str(ZONE),
        FOREWARN_BASE_CURRENCY=CURRENCY,
        FOREWARN_LOG_LEVEL="WARNING",
    )
    configure_logging("WARNING")
    _prepare(data_dir, seed, today)
    verdict = asyncio.run(_perform(settings, distributor, day_seconds, leave))
    if verdict is None or not verdict.passed:
        sys.exit(1)


def source_of(distributor: Distributor) -> str:
    """The name of the demo's ERP."""
    return f"demo-{distributor.seed}"


def _prepare(data_dir: Path, seed: int, today: date) -> None:
    """An empty directory, or the one of the same demo of the same day, which goes on where it was."""
    mark, wanted = data_dir / MARK, {"seed": seed, "today": today.isoformat()}
    if data_dir.exists() and any(data_dir.iterdir()):
        if not mark.exists():
            raise UpError(f"{data_dir} holds something that is no demo; choose another with --data-dir")
        if json.loads(mark.read_text()) != wanted:
            shutil.rmtree(data_dir)
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    mark.write_text(json.dumps(wanted))


async def _perform(settings: Settings, distributor: Distributor, day_seconds: float, leave: bool) -> Verdict | None:
    """Run the supervisor, and the play on it as soon as it answers; None if it was ended before the stories."""
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

    def announce(address: Address) -> None:
        if not ready.done():
            ready.set_result(address)

    supervisor = Supervisor(settings, all_services(), announce, single=False, program=PROGRAM)
    verdict: Verdict | None = None
    async with processes.stopping(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as stop:
        running = asyncio.create_task(supervisor.run(stop))
        playing = asyncio.create_task(_play(ready, settings, distributor, day_seconds))
        await asyncio.wait([running, playing], return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            try:
                verdict = await playing
            except BaseException:
                stop.set()
                await running
                raise
            _show(verdict, distributor)
            if leave:
                stop.set()
            else:
                address = await ready
                out.print(f"Forewarn goes on at {address.base_url}; Ctrl-C ends it. Admin token: {address.token}")
        else:
            playing.cancel()
        await running
    return verdict


async def _play(
    ready: "asyncio.Future[Address]", settings: Settings, distributor: Distributor, day_seconds: float
) -> Verdict:
    address = await ready
    out.print(f"Forewarn is ready: {address.base_url}")
    headers = {"Authorization": f"Bearer {address.token}"}
    async with httpx.AsyncClient(base_url=address.base_url, headers=headers, timeout=60, trust_env=False) as http:
        with out.status("") as status:

            def progress(day: date, sent: int) -> None:
                status.update(f"{day}: {sent} documents sent")

            player = Player(
                distributor,
                source_of(distributor),
                history=ReplayClient(http, backfill=True),
                live=ReplayClient(http),
                settled=lambda: settled(settings),
                progress=progress,
            )
            warnings = await player.run(day_seconds)
    return judge(distributor, source_of(distributor), warnings)


def _show(verdict: Verdict, distributor: Distributor) -> None:
    names = {one.external_id: one.name_zh for one in distributor.customers}
    for told in verdict.stories:
        _show_story(told, names[told.story.customer])
    for warning in verdict.unexpected:
        out.print(f"[red]unexpected[/] {_line(warning)}")
    right = sum(told.right for told in verdict.stories)
    out.print(
        f"\n{right} of {len(verdict.stories)} stories got their warning; "
        f"{verdict.quiet} quiet customers, {len(verdict.unexpected)} unexpected warnings."
    )


def _show_story(told: Told, name: str) -> None:
    story, outcome = told.story, told.story.outcome
    mark = "[green]right[/]" if told.right else "[red]wrong[/]"
    until = f" to {outcome.ends}" if outcome.ends else ""
    out.print(f"\n[bold]{escape(story.title_en)} / {story.title_zh}[/] ({story.customer} {name}) {mark}")
    out.print(f"  story:    {escape(story.text)}")
    out.print(f"  expected: {outcome.code} {outcome.tier} from {outcome.opens}{until}")
    for warning in told.warnings:
        out.print(f"  told:     {_line(warning)}")
        out.print(f"            {escape(warning['sentence']['en'])}")
        out.print(f"            {escape(warning['sentence']['zh'])}")
        out.print(f"  because:  {escape(_because(warning))}")
    if not told.warnings:
        out.print("  told:     nothing")


def _line(warning: Warned) -> str:
    ended = f", ended {datetime.fromisoformat(warning['ended_at']):%Y-%m-%d}" if warning["ended_at"] else ""
    customer = warning["customer"]["external_id"]
    return f"{warning['code']} {warning['tier']} about {customer} from {opened(warning)}{ended}"


def _because(warning: Warned) -> str:
    evidence: dict[str, Any] = warning["evidence"]
    documents: Sequence[dict[str, str]] = evidence["documents"]
    shown = ", ".join(f"{one['kind']} {one['key'].partition('/')[2]}" for one in documents[:SHOWN_DOCUMENTS])
    more = f" and {evidence['document_count'] - SHOWN_DOCUMENTS} more" if len(documents) > SHOWN_DOCUMENTS else ""
    return f"{evidence['formula']}; {shown}{more}"
