"""Whether the processes of an embedded installation answer; of a distributed one the monitoring knows the addresses."""

from typing import Final

import httpx

from forewarn.data_directory import Address
from forewarn.doctor.findings import Finding

ANSWER_SECONDS: Final = 5.0


async def processes(address: Address) -> list[Finding]:
    """Web and worker say that they are ready."""
    urls = {"web": address.base_url} | ({"worker": address.worker_url} if address.worker_url else {})
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as client:
        return [finding for name, url in urls.items() for finding in await _one(name, url, client)]


async def _one(name: str, url: str, client: httpx.AsyncClient) -> list[Finding]:
    try:
        content = (await client.get(f"{url}/readyz")).json()
    except (httpx.TransportError, ValueError) as error:
        problem = f"it does not answer at {url} ({type(error).__name__})"
        return [Finding("process_silent", name, problem, "the log of `forewarn up` says why it ends or hangs")]
    if content["status"] == "ready":
        return []
    states = {**content["services"], **({"bus": content["bus"]} if "bus" in content else {})}
    named = ", ".join(f"{part} is {state}" for part, state in states.items() if state != "ready")
    return [Finding("process_not_ready", name, f"it says: {named}", "see the findings about these")]
