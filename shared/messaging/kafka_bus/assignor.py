"""Who of a group gets which partitions: fair shares of every topic, and whoever has a partition keeps it if he may.

Kafka's members give up everything whenever one comes or goes. What comes straight back to the same member needs no
new position, so the fewer partitions move, the less a rebalance costs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from shared.messaging.bus import TopicPartition

VERSION: Final = 0


class Claim(msgspec.Struct, frozen=True):
    """What a member had in a generation of the group."""

    generation: int = -1
    held: tuple[TopicPartition, ...] = ()


Members = Mapping[str, Claim]


class StickyShares:
    """The assignor of one member, as aiokafka asks for it."""

    name = "forewarn-sticky-shares"

    def __init__(self) -> None:
        self.claim = Claim()

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member tells whoever assigns."""
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), msgspec.msgpack.encode(self.claim))

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """Assign to all members; the one whom the group has chosen is asked."""
        wanting: dict[str, dict[str, Claim]] = defaultdict(dict)
        for member, metadata in members.items():
            for topic in metadata.subscription:
                wanting[topic][member] = _claim_in(metadata.user_data)
        partitions = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in wanting}
        shared = shares(partitions, wanting)
        return {member: _assignment(shared.get(member, ())) for member in members}

    def on_assignment(self, assignment: Any) -> None:
        """Asked for by aiokafka; the member itself sets its claim, since only it knows what it has lost."""


def shares(partitions: Mapping[str, int], wanting: Mapping[str, Members]) -> dict[str, list[TopicPartition]]:
    """The partitions of every topic, by member: equally many, give or take one, and as few as possible moved."""
    result: dict[str, list[TopicPartition]] = defaultdict(list)
    for topic, count in sorted(partitions.items()):
        owners = _owners(topic, count, wanting[topic])
        # The odd ones go to those who keep the more, then to those who have the fewest of other topics.
        ranked = sorted(wanting[topic], key=lambda member: (-len(owners.get(member, ())), len(result[member]), member))
        free = sorted(set(range(count)).difference(*(held for held in owners.values())))
        for rank, member in enumerate(ranked):
            share = count // len(ranked) + (rank < count % len(ranked))
            kept = owners.get(member, [])
            free += kept[share:]
            owners[member] = kept[:share]
        for rank, member in enumerate(ranked):
            share = count // len(ranked) + (rank < count % len(ranked))
            taken = share - len(owners[member])
            result[member] += [TopicPartition(topic, part) for part in (*owners[member], *free[:taken])]
            free = free[taken:]
    return result


def _owners(topic: str, count: int, members: Members) -> dict[str, list[int]]:
    """Who had which partitions last; where two claim one, the later generation is right."""
    latest: dict[int, tuple[int, str]] = {}
    for member, claim in members.items():
        for where in claim.held:
            if where.topic == topic and where.partition < count:
                latest[where.partition] = max(latest.get(where.partition, (-1, "")), (claim.generation, member))
    owners: dict[str, list[int]] = defaultdict(list)
    for part, (_, member) in sorted(latest.items()):
        owners[member].append(part)
    return owners


def _claim_in(user_data: bytes) -> Claim:
    try:
        return msgspec.msgpack.decode(user_data, type=Claim)
    except msgspec.MsgspecError:
        # Another program in the same group: it gets its share like one that has nothing yet.
        return Claim()


def _assignment(held: Sequence[TopicPartition]) -> Any:
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic, partition in held:
        by_topic[topic].append(partition)
    return ConsumerProtocolMemberAssignment(VERSION, list(by_topic.items()), b"")
