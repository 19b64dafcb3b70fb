"""Sends documents of all kinds: limits and payments before invoices, as nobody may look worse in passing than he is."""

import asyncio
from collections.abc import Iterable
from typing import Final

from forewarn.replay.client import ReplayClient, Row
from forewarn.replay.translate import Document, Kind

LANES: Final[tuple[tuple[Kind, ...], ...]] = (("order", "return"), ("credit_limit", "payment", "invoice"))
"""Kinds of one service go one after the other, services beside each other."""

Answered = tuple[Document, Row]


async def submit(client: ReplayClient, documents: Iterable[Document]) -> list[Answered]:
    """Every document with its answer. Raises `ReplayFailed`."""
    by_kind: dict[Kind, list[Document]] = {}
    for document in documents:
        by_kind.setdefault(document.kind, []).append(document)
    try:
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(_submit_lane(client, by_kind, kinds)) for kinds in LANES]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [answered for lane in lanes for answered in lane.result()]


async def _submit_lane(
    client: ReplayClient, by_kind: dict[Kind, list[Document]], kinds: tuple[Kind, ...]
) -> list[Answered]:
    answered: list[Answered] = []
    for kind in kinds:
        documents = by_kind.get(kind)
        if documents:
            rows = await client.submit(kind, [document.body for document in documents])
            answered += zip(documents, rows, strict=True)
    return answered
