"""Feeding a running system as its clients do: files by `forewarn replay`, single calls, kills in the middle."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import asyncpg
import httpx
import psutil

from tests.support.installation import Installation, eventually
from tests.support.system import System

SOURCE: Final = "replay"
SECONDS: Final = "600"
"""How long commands wait for a quiet point: longer than any machine should need."""

_COUNT: Final = "select count(*) from document where kind <> 'beat'"


def replayed(
    system: System, lines: Sequence[str], *options: str, harm: Sequence[Callable[[], object]] = ()
) -> dict[str, Any]:
    """Replay the lines, and do harm on the way, one after the other; returns the summary."""
    file = system.data_dir / "documents.jsonl"
    file.write_text("".join(lines))
    words = ["replay", str(file), "--chunk", str(max(1, len(lines) // 50)), "--wait", SECONDS, "--json", *options]
    before = documents(system)
    process = system.start(*words)
    for number, doing in enumerate(harm, 1):
        due = before + len(set(lines)) * number // (len(harm) + 1)
        eventually(lambda due=due: documents(system) >= due, 300)  # type: ignore[misc]
        assert process.poll() is None, "it was over before any harm was done"
        doing()
    printed, complaints = process.communicate(timeout=1500)
    assert process.returncode == 0, complaints
    summary: dict[str, Any] = json.loads(printed)
    return summary


def documents(system: System) -> int:
    """How many documents were accepted from sources."""

    async def count() -> int:
        return sum([int(await _fetch(system, service, _COUNT)) for service in ("orders", "credit")])

    return asyncio.run(count())


def document_id(system: System, service: str, kind: str, number: str) -> str:
    """Our id of a document of the replay."""
    query = "select id from document where kind = $1 and key = $2"
    return str(asyncio.run(_fetch(system, service, query, kind, f"{SOURCE}/{number}")))


def kills(installation: Installation, *names: str) -> list[Callable[[], None]]:
    """Harm: processes of an embedded installation are killed, which its supervisor starts again."""
    return [partial(_kill, installation, name) for name in names]


def _kill(installation: Installation, name: str) -> None:
    """Kill a process that may have been killed before, once it is back."""
    eventually(lambda: psutil.pid_exists(installation.pid(name)))
    installation.kill(name)


def call(system: System, method: str, path: str, body: Any = None) -> Any:
    """A call of the public API that must succeed."""
    address = system.address()
    headers = {"Authorization": f"Bearer {address['token']}"}
    answer = httpx.request(method, address["base_url"] + path, json=body, headers=headers, timeout=60, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def beat(system: System, until: datetime, *kinds: str) -> None:
    """Promise that everything up to an instant was sent, so that installations judge absence equally far."""
    for kind in kinds:
        body = {"complete_until": until.isoformat()}
        call(system, "POST", f"/v1/sources/{SOURCE}/{kind}/beats", body)


def facts_hash(system: System) -> str:
    """The hash over all documents, at a quiet point."""
    found = system.json("facts-hash", "--wait", SECONDS)
    assert found["quiet"]
    return str(found["facts_hash"])


def warnings_hash(system: System) -> dict[str, Any]:
    """Hash and numbers of all warnings, at a quiet point."""
    found: dict[str, Any] = system.json("warnings-hash", "--wait", SECONDS)
    assert found["quiet"]
    return {name: found[name] for name in ("warnings_hash", "warnings")}


def differences(system: System) -> list[Any]:
    """What reconciling finds, at a quiet point."""
    found = system.json("reconcile", "--wait", SECONDS)
    assert found["quiet"]
    return list(found["differences"])


async def _fetch(system: System, service: str, query: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(system.server.dsn(service))
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()
