"""Feeding a running installation as its clients do: files by `forewarn replay`, single calls, kills in the middle."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import httpx
import psutil

from tests.support.installation import Installation, eventually

SOURCE: Final = "replay"
SECONDS: Final = "600"
"""How long commands wait for a quiet point: longer than any machine should need."""

_COUNT: Final = "select count(*) from document where kind <> 'beat'"


def replayed(
    installation: Installation, lines: Sequence[str], *options: str, kill: Sequence[str] = ()
) -> dict[str, Any]:
    """Replay the lines, and kill processes on the way, one after the other; returns the summary."""
    file = installation.data_dir / "documents.jsonl"
    file.write_text("".join(lines))
    words = ["replay", str(file), "--chunk", str(max(1, len(lines) // 50)), "--wait", SECONDS, "--json", *options]
    before = documents(installation)
    process = installation.start(*words)
    for number, name in enumerate(kill, 1):
        due = before + len(set(lines)) * number // (len(kill) + 1)
        eventually(lambda due=due: documents(installation) >= due, 300)  # type: ignore[misc]
        assert process.poll() is None, "it was over before anybody was killed"
        kill_again(installation, name)
    printed, complaints = process.communicate(timeout=1500)
    assert process.returncode == 0, complaints
    summary: dict[str, Any] = json.loads(printed)
    return summary


def documents(installation: Installation) -> int:
    """How many documents were accepted from sources."""

    async def count() -> int:
        return sum([int(await _fetch(installation, service, _COUNT)) for service in ("orders", "credit")])

    return asyncio.run(count())


def document_id(installation: Installation, service: str, kind: str, number: str) -> str:
    """Our id of a document of the replay."""
    query = "select id from document where kind = $1 and key = $2"
    return str(asyncio.run(_fetch(installation, service, query, kind, f"{SOURCE}/{number}")))


def kill_again(installation: Installation, name: str) -> None:
    """Kill a process that may have been killed before, once it is back."""
    eventually(lambda: psutil.pid_exists(installation.pid(name)))
    installation.kill(name)


def call(installation: Installation, method: str, path: str, body: Any = None) -> Any:
    """A call of the public API that must succeed."""
    address = installation.address()
    headers = {"Authorization": f"Bearer {address['token']}"}
    answer = httpx.request(method, address["base_url"] + path, json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def beat(installation: Installation, until: datetime, *kinds: str) -> None:
    """Promise that everything up to an instant was sent, so that installations judge absence equally far."""
    for kind in kinds:
        body = {"complete_until": until.isoformat()}
        call(installation, "POST", f"/v1/sources/{SOURCE}/{kind}/beats", body)


def facts_hash(installation: Installation) -> str:
    """The hash over all documents, at a quiet point."""
    found = installation.json("facts-hash", "--wait", SECONDS)
    assert found["quiet"]
    return str(found["facts_hash"])


def warnings_hash(installation: Installation) -> dict[str, Any]:
    """Hash and numbers of all warnings, at a quiet point."""
    found: dict[str, Any] = installation.json("warnings-hash", "--wait", SECONDS)
    assert found["quiet"]
    return {name: found[name] for name in ("warnings_hash", "warnings")}


def differences(installation: Installation) -> list[Any]:
    """What reconciling finds, at a quiet point."""
    found = installation.json("reconcile", "--wait", SECONDS)
    assert found["quiet"]
    return list(found["differences"])


async def _fetch(installation: Installation, service: str, query: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(installation.server.dsn(service))
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()
