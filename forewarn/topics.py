"""`forewarn topics`: the topics of an installation, what they are, and what is not as it should be."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from forewarn.installation import DataDir, installation
from forewarn.terminal import AsJson, out, print_json, print_table
from shared.events import PARTITIONS, TOPICS
from shared.messaging.bus import Bounds, Bus, TopicPartition, TopicState


def topics(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show partitions, copies, retention and records of every topic; exit code 1 if one is not as it should be."""
    states, bounds = asyncio.run(_read(data_dir))
    if as_json:
        print_json([_json(state, _records(state.topic, bounds)) for state in states])
    else:
        columns = ("topic", "partitions", "copies", "in sync", "retention", "records")
        print_table(columns, [(*state[:5], _records(state.topic, bounds)) for state in states])
        for state in states:
            for difference in state.differences:
                out.print(f"{state.topic}: {difference}", markup=False)
    if any(state.differences for state in states):
        raise typer.Exit(1)


async def topics_of(bus: Bus) -> tuple[Sequence[TopicState], dict[TopicPartition, Bounds]]:
    """What all topics are, and the offsets of those that exist."""
    states = await bus.describe_topics(dict.fromkeys(TOPICS.values(), PARTITIONS))
    there = [state.topic for state in states if state.partitions]
    return states, await bus.bounds(there) if there else {}


async def _read(data_dir: Path | None) -> tuple[Sequence[TopicState], dict[TopicPartition, Bounds]]:
    async with installation(data_dir) as (_, platform):
        return await topics_of(platform.bus)


def _records(topic: str, bounds: dict[TopicPartition, Bounds]) -> int:
    return sum(found.next - found.first for where, found in bounds.items() if where.topic == topic)


def _json(state: TopicState, records: int) -> dict[str, Any]:
    return {**state._asdict(), "differences": list(state.differences), "records": records}
