"""`forewarn deadletters`: records a service could not read or apply: which, why, and try them again.

What a letter is, when it is open and how it is applied again is the messaging layer's business.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from forewarn.installation import DataDir, installation
from forewarn.platform import ConfigurationError
from forewarn.services import all_services, service_called
from forewarn.terminal import AsJson, out, print_json, print_table, say
from shared.context import Context
from shared.database.database import AWAY
from shared.errors import NotFound, Unavailable
from shared.events import cloudevents
from shared.messaging import dead_letters
from shared.messaging.replay import replay as apply_again
from shared.runtime.service import Service

MOST: Final = 500
"""Letters that are listed one by one."""

app = typer.Typer(help="Records that could not be read or applied: list, show, replay.", no_args_is_help=True)

ServiceName = Annotated[str, typer.Argument(help="The service that could not apply them.")]
Topic = Annotated[str, typer.Argument(help="Topic of the record.")]
Partition = Annotated[int, typer.Argument(min=0, help="Partition of the record.")]
Offset = Annotated[int, typer.Argument(min=0, help="Offset of the record.")]


@dataclass(frozen=True, slots=True)
class Letters:
    """The oldest letters of one service, and how many of all are open."""

    service: str
    letters: Sequence[Any]
    open: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one letter that was tried again; no code: it was applied."""

    topic: str
    partition: int
    offset: int
    code: str | None = None
    message: str | None = None

    @property
    def place(self) -> str:
        return f"{self.topic} {self.partition} {self.offset}"


@app.command("list")
def list_letters(
    service: Annotated[str | None, typer.Argument(help="Only those of this service.")] = None,
    answered: Annotated[bool, typer.Option("--answered", help="Also those answered meanwhile.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List open dead letters, oldest first."""
    chosen = _consuming() if service is None else [_service(service)]
    found = asyncio.run(_list(chosen, data_dir, answered=answered))
    if as_json:
        print_json([_line(each.service, letter) for each in found for letter in each.letters])
        return
    letters = [(each.service, letter) for each in found for letter in each.letters]
    if letters:
        columns = ("service", "topic", "partition", "offset", "stored", "kind", "customer", "code", "message")
        print_table(columns, [tuple(_line(*letter).values())[:9] for letter in letters])
    out.print(f"{sum(each.open for each in found)} open dead letters")
    for each in found:
        if len(each.letters) == MOST:
            say(f"{each.service}: only the oldest {MOST} letters are listed.")


@app.command("show")
def show_letter(
    service: ServiceName,
    topic: Topic,
    partition: Partition,
    offset: Offset,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter, whole."""
    letter = asyncio.run(_show(_service(service), topic, partition, offset, data_dir))
    shown = _line(service, letter) | _contents(letter)
    if as_json:
        print_json(shown)
        return
    headers, value = shown.pop("headers"), shown.pop("value")
    for name, found in (*shown.items(), *headers):
        out.print(Text(f"{name}: {'-' if found is None else found}"))
    out.print(Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)))


@app.command("replay")
def replay_letters(
    service: ServiceName,
    topic: Annotated[str | None, typer.Argument(help="Topic of the record.")] = None,
    partition: Annotated[int | None, typer.Argument(min=0, help="Partition of the record.")] = None,
    offset: Annotated[int | None, typer.Argument(min=0, help="Offset of the record.")] = None,
    all_open: Annotated[bool, typer.Option("--all", help="All open ones of the service, oldest first.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Apply one dead letter, or all open ones of a service, again; exit code 1 if any of them fails again."""
    place = None if topic is None or partition is None or offset is None else (topic, partition, offset)
    if (place is None) is not all_open:
        raise ConfigurationError("name one letter by topic, partition and offset, or all open ones by --all")
    outcomes = asyncio.run(_replay(_service(service), place, data_dir))
    if as_json:
        print_json([_outcome(one) for one in outcomes])
    else:
        for one in outcomes:
            said = "applied" if one.code is None else f"failed again: {one.code}: {one.message}"
            out.print(Text(f"{one.place}: {said}"))
        out.print(f"{sum(one.code is None for one in outcomes)} of {len(outcomes)} dead letters applied")
    if any(one.code for one in outcomes):
        raise typer.Exit(1)


async def letters_of(context: Context, *, answered: bool = False) -> Letters:
    """The dead letters of one service."""
    async with context.database.unit_of_work() as unit:
        letters = await dead_letters.listed(unit.connection, resolved=answered, limit=MOST)
        count = await dead_letters.count_open(unit.connection)
    return Letters(context.service, letters, count["open"])


async def replay_all(service: Service, context: Context) -> list[Outcome]:
    """Try every open letter of a service, oldest first, each by itself: one that fails again stops no other."""
    async with context.database.unit_of_work() as unit:
        count = await dead_letters.count_open(unit.connection)
        letters = await dead_letters.listed(unit.connection, limit=count["open"])
    places = [(letter["topic"], letter["part"], letter["offset"]) for letter in letters]
    return [await replay_one(service, *place, context) for place in places]


async def replay_one(service: Service, topic: str, partition: int, offset: int, context: Context) -> Outcome:
    """Apply one letter in a unit of work of its own. Raises `dead_letter_not_found`, and what is no letter's fault."""
    assert service.subscription is not None
    try:
        async with context.database.unit_of_work() as unit:
            letter = await dead_letters.find(topic, partition, offset, unit.connection)
            subscription = service.subscription
            await apply_again(letter, subscription.handler, unit, context, subscription.completed)
    except (NotFound, Unavailable, *AWAY):
        raise
    except Exception as error:  # noqa: BLE001 - whatever ails the letter is what the caller wants to know
        return Outcome(topic, partition, offset, dead_letters.code_of(error), str(error))
    return Outcome(topic, partition, offset)


async def _list(chosen: Sequence[Service], data_dir: Path | None, *, answered: bool) -> list[Letters]:
    async with installation(data_dir, chosen) as (services, platform):
        return [await letters_of(platform.context(service.name), answered=answered) for service in services]


async def _show(service: Service, topic: str, partition: int, offset: int, data_dir: Path | None) -> Any:
    async with installation(data_dir, [service]) as (_, platform):
        async with platform.context(service.name).database.unit_of_work() as unit:
            return await dead_letters.find(topic, partition, offset, unit.connection)


async def _replay(service: Service, place: tuple[str, int, int] | None, data_dir: Path | None) -> list[Outcome]:
    async with installation(data_dir, [service]) as (_, platform):
        context = platform.context(service.name)
        return await replay_all(service, context) if place is None else [await replay_one(service, *place, context)]


def _consuming() -> list[Service]:
    return [service for service in all_services() if service.subscription is not None]


def _service(name: str) -> Service:
    return service_called(name, _consuming())


def _line(service: str, letter: Any) -> dict[str, Any]:
    return {
        "service": service,
        "topic": letter["topic"],
        "partition": letter["part"],
        "offset": letter["offset"],
        "stored_at": letter["stored_at"].isoformat(timespec="seconds"),
        "kind": letter["kind"],
        "party": None if letter["party"] is None else str(letter["party"]),
        "code": letter["code"],
        "message": letter["message"],
        "document": None if letter["document"] is None else str(letter["document"]),
        "revision": None if letter["revision"] is None else f"{letter['epoch']}.{letter['revision']}",
        "answered_at": None if letter["resolved_at"] is None else letter["resolved_at"].isoformat(timespec="seconds"),
    }


def _contents(letter: Any) -> dict[str, Any]:
    """Key, headers and value as far as they are texts; what is none as base64."""
    headers = msgspec.msgpack.decode(letter["headers"], type=cloudevents.Headers)
    try:
        value = json.loads(letter["value"])
    except ValueError:
        value = _text(letter["value"])
    return {
        "key": None if letter["key"] is None else _text(letter["key"]),
        "headers": [[name, _text(content)] for name, content in headers],
        "value": value,
    }


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(content).decode()}"


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "applied": one.code is None,
        "code": one.code,
        "message": one.message,
    }
