"""Shares of a group's partitions: fair, whole, and as they were as far as that is possible."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.bus import TopicPartition
from shared.messaging.kafka_bus.assignor import Claim, shares

TOPIC = "t"

members = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        lambda generation, parts: Claim(generation, tuple(TopicPartition(TOPIC, part) for part in sorted(parts))),
        st.integers(-1, 3),
        st.sets(st.integers(0, 14)),
    ),
    min_size=1,
)


@given(members, st.integers(1, 12))
def test_every_partition_has_one_owner_and_shares_differ_by_one_at_most(group: dict[str, Claim], count: int) -> None:
    """INVARIANT: breaks when a partition is read by nobody, or by two."""
    found = shares({TOPIC: count}, {TOPIC: group})
    owned = [where for held in found.values() for where in held]
    assert sorted(owned) == [TopicPartition(TOPIC, part) for part in range(count)]
    sizes = [len(found.get(member, ())) for member in group]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 12), st.integers(1, 5))
def test_nothing_moves_while_nobody_comes_or_goes(count: int, size: int) -> None:
    group = {f"m{number}": Claim() for number in range(size)}
    first = shares({TOPIC: count}, {TOPIC: group})
    again = shares({TOPIC: count}, {TOPIC: {member: Claim(1, tuple(first.get(member, ()))) for member in group}})
    assert {member: sorted(held) for member, held in first.items()} == {
        member: sorted(held) for member, held in again.items()
    }


@given(st.integers(1, 12), st.integers(1, 5))
def test_who_comes_takes_no_more_than_his_share(count: int, size: int) -> None:
    group = {f"m{number}": Claim() for number in range(size)}
    first = shares({TOPIC: count}, {TOPIC: group})
    claims = {member: Claim(1, tuple(first.get(member, ()))) for member in group} | {"new": Claim()}
    then = shares({TOPIC: count}, {TOPIC: claims})
    before = {where: member for member, held in first.items() for where in held}
    moved = Counter(before[where] != member for member, held in then.items() for where in held)
    assert moved[True] == len(then.get("new", ()))


def test_of_two_claims_the_later_generation_is_right() -> None:
    held = (TopicPartition(TOPIC, 0),)
    assert shares({TOPIC: 1}, {TOPIC: {"a": Claim(1, held), "b": Claim(2, held)}}) == {"b": [*held], "a": []}
