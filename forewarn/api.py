"""The public API of an installation as commands use it: where it answers, with which token, and what a refusal says."""

from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from forewarn.data_directory import Address, DataDirectory
from shared.settings import Settings

Url = Annotated[str | None, typer.Option(help="Base URL, if not the installation on this machine.")]
Token = Annotated[str | None, typer.Option(envvar="FOREWARN_TOKEN", help="Token for --url.")]

HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ApiFailed(Exception):
    """The server does not answer, or answers something that cannot be repaired by repeating."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def api_address(url: str | None, token: str | None, data_dir: Path | None) -> Address:
    """Where the API answers and a token for it: as given, else those of the installation on this machine.

    The token of this machine's installation goes nowhere else. Raises `NotRunning`, and `token_required`.
    """
    if url is not None:
        if token is None:
            raise ApiFailed("token_required", "With --url say who asks: --token, or FOREWARN_TOKEN.")
        return Address(url, token)
    directory = data_dir if data_dir is not None else Settings().data_dir
    address = DataDirectory(directory).address()
    return Address(address.base_url, token or address.token)


def api_client(address: Address, seconds: float) -> httpx.AsyncClient:
    """A client with base URL and token. No proxy leads to this very machine, whatever the environment says."""
    headers = {"Authorization": f"Bearer {address.token}"}
    elsewhere = httpx.URL(address.base_url).host not in HERE
    return httpx.AsyncClient(base_url=address.base_url, headers=headers, timeout=seconds, trust_env=elsewhere)


def content_of(path: str, answer: httpx.Response) -> Any:
    """What the server has to say. Raises `ApiFailed` with the code and the reason of its refusal."""
    try:
        content = answer.json() if answer.content else None
    except ValueError:
        content = None
    if answer.is_success:
        return content
    problem = content if isinstance(content, dict) else {}
    code = str(problem.get("code", f"http_{answer.status_code}"))
    detail = problem.get("detail") or problem.get("title") or "no reason given"
    raise ApiFailed(code, f"{path} answers {answer.status_code}: {detail}")
