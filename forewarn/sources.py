"""`forewarn sources`: which systems deliver documents, how far each has promised to be complete, and which are late.

Speaks to the public API like any other client; what a source holds back is alerting's to say.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, get_args
from urllib.parse import quote

import httpx
import typer

from forewarn.api import ApiFailed, Token, Url, api_address, api_client, content_of
from forewarn.data_directory import Address
from forewarn.installation import DataDir
from forewarn.platform import ConfigurationError
from forewarn.terminal import AsJson, out, print_json, print_table
from shared.events.sources import SourceKind

REQUEST_SECONDS: Final = 30.0

app = typer.Typer(help="Sources of documents: list them, retire one that has ended.", no_args_is_help=True)


@app.command("list")
def list_sources(url: Url = None, token: Token = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List every source and kind: up to when it is complete, whether it is late, which rules that keeps closed."""
    sources = asyncio.run(_send("GET", "/v1/sources", api_address(url, token, data_dir)))["items"]
    if as_json:
        print_json(sources)
        return
    columns = ("source", "kind", "coverage", "rhythm", "complete until", "", "rules kept closed")
    print_table(columns, [_row(source) for source in sources])


@app.command("retire")
def retire_source(
    source: Annotated[str, typer.Argument(help="Name of the source, as in its documents.")],
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(get_args(SourceKind))}.")],
    url: Url = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that a source delivers a kind no more: from now on it holds nothing back."""
    if kind not in get_args(SourceKind):
        raise ConfigurationError(f"there is no kind {kind!r}; there are: {', '.join(get_args(SourceKind))}")
    path = f"/v1/sources/{quote(source, safe='')}/{kind}/retire"
    retired = asyncio.run(_send("POST", path, api_address(url, token, data_dir)))
    if as_json:
        print_json(retired)
    else:
        out.print(f"{source} delivers no {kind} documents since {_minute(retired['retired_at'])}.", markup=False)


async def _send(method: str, path: str, address: Address) -> Any:
    try:
        async with api_client(address, REQUEST_SECONDS) as http:
            return content_of(path, await http.request(method, path))
    except httpx.TransportError as error:
        raise ApiFailed("server_away", f"{address.base_url} cannot be reached ({type(error).__name__}).") from error


def _row(source: dict[str, Any]) -> tuple[object, ...]:
    rhythm = None if source["rhythm_hours"] is None else f"{source['rhythm_hours']} h"
    state = "retired" if source["retired_at"] else "late" if source["late"] else ""
    until = source["complete_until"] and _minute(source["complete_until"])
    rules = ", ".join(source["rules_kept_closed"])
    return source["source"], source["kind"], source["coverage"], rhythm, until, state, rules


def _minute(instant: str) -> str:
    return datetime.fromisoformat(instant).isoformat(sep=" ", timespec="minutes")
