"""Events as headers and key of a record, and back."""

from datetime import UTC, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.events import KINDS, PRODUCED_BY, Event, cloudevents
from shared.events.cloudevents import Headers, Undecodable
from tests.support.builders import day

ORDER = Event(
    kind="order",
    reason="placed",
    id=UUID("019aa0f2-3c1d-7c55-9d0e-5a2f1b7c8e90"),
    epoch=1,
    revision=3,
    recorded_at=day(1),
    producer="orders",
    party=UUID("fe76eac1-9d55-5d17-844b-1e26944fc4f9"),
    data=b'{"source":"erp"}',
    partition=5,
)

counts = st.integers(1, 2**31 - 1)
few = st.integers(1, 30)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
words = st.from_regex(r"[a-z][a-z_]{0,30}", fullmatch=True)
events = st.builds(
    Event,
    kind=st.sampled_from(list(KINDS)) | words,
    reason=words,
    id=st.uuids(),
    epoch=counts,
    revision=counts,
    recorded_at=st.datetimes(timezones=st.just(UTC) | zones),
    producer=st.sampled_from(list(PRODUCED_BY)),
    party=st.none() | st.uuids(),
    data=st.binary(max_size=100),
    partition=st.integers(0, 11),
)


def headers_with(**changed: bytes | None) -> Headers:
    """Headers of an order, some of them replaced or, with None, taken away."""
    found: dict[str, Any] = dict(cloudevents.headers(ORDER)) | changed
    return tuple((name, value) for name, value in found.items() if value is not None)


class TestDecode:
    @given(events)
    def test_gives_back_what_was_encoded(self, event: Event) -> None:
        assert cloudevents.decode(cloudevents.headers(event), event.data, event.partition) == event

    @given(st.permutations(cloudevents.headers(ORDER)))
    def test_order_of_headers_does_not_matter(self, headers: list[tuple[str, bytes]]) -> None:
        assert cloudevents.decode(tuple(headers), ORDER.data, ORDER.partition) == ORDER

    def test_other_headers_are_passed_over(self) -> None:
        headers = headers_with(ce_traceparent=b"00-1-2-01", other=b"\xff")
        assert cloudevents.decode(headers, ORDER.data, ORDER.partition) == ORDER

    @pytest.mark.parametrize(
        "name", ["ce_specversion", "ce_type", "ce_documentid", "ce_epoch", "ce_revision", "ce_time", "ce_source"]
    )
    def test_names_the_attribute_that_is_missing(self, name: str) -> None:
        """INVARIANT: breaks when an error other than `Undecodable` stops the consumer instead of the record."""
        with pytest.raises(Undecodable, match=name):
            cloudevents.decode(headers_with(**{name: None}), b"{}", 0)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ce_specversion", b"0.3"),
            ("ce_type", b""),
            ("ce_type", b"forewarn.order.placed"),
            ("ce_type", b"forewarn.order.placed.v2"),
            ("ce_type", b"acme.order.placed.v1"),
            ("ce_type", b"forewarn..placed.v1"),
            ("ce_type", b"forewarn.order..v1"),
            ("ce_type", b"forewarn.order.\xff.v1"),
            ("ce_documentid", b""),
            ("ce_documentid", b"order-7"),
            ("ce_epoch", b"one"),
            ("ce_epoch", b"0"),
            ("ce_revision", b"-1"),
            ("ce_revision", b"1.5"),
            ("ce_revision", b"2147483648"),
            ("ce_time", b"yesterday"),
            ("ce_time", b"2026-03-01T09:00:00"),
            ("ce_source", b"/other/orders"),
            ("ce_source", b"/forewarn/"),
            ("ce_partitionkey", b"C1"),
            ("ce_partitionkey", b""),
        ],
    )
    def test_names_the_attribute_that_is_broken(self, name: str, value: bytes) -> None:
        """INVARIANT: breaks when a record of somebody else, or of a later version, is applied as one of ours."""
        with pytest.raises(Undecodable, match=name):
            cloudevents.decode(headers_with(**{name: value}), b"{}", 0)

    @given(st.lists(st.tuples(st.sampled_from([name for name, _ in cloudevents.headers(ORDER)]), st.binary())))
    def test_never_fails_otherwise(self, headers: list[tuple[str, bytes]]) -> None:
        try:
            event = cloudevents.decode((*cloudevents.headers(ORDER), *headers), b"{}", 0)
        except Undecodable:
            return
        assert event.recorded_at.tzinfo is not None


class TestHeaders:
    @given(events, st.none() | st.uuids(), st.integers(0, 11))
    def test_id_is_the_same_for_every_copy_of_one_revision(
        self, event: Event, party: UUID | None, partition: int
    ) -> None:
        """INVARIANT: breaks when a copy or a resend gets an id of its own; readers outside would count it twice."""
        copy = replace(event, party=party, partition=partition)
        assert identity(copy) == identity(event)

    @given(st.tuples(few, few), st.tuples(few, few))
    @example((1, 11), (11, 1))
    def test_two_revisions_never_share_an_id(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        first, second = (replace(ORDER, epoch=epoch, revision=revision) for epoch, revision in (one, other))
        assert (identity(first) == identity(second)) == (one == other)

    @pytest.mark.parametrize("changed", [{"revision": 4}, {"epoch": 2}, {"id": UUID(int=1)}, {"producer": "credit"}])
    def test_what_makes_another_revision_makes_another_id(self, changed: dict[str, Any]) -> None:
        assert identity(replace(ORDER, **changed)) != identity(ORDER)

    def test_an_event_for_nobody_has_no_partition_key(self) -> None:
        nobody = replace(ORDER, party=None)
        assert "ce_partitionkey" not in dict(cloudevents.headers(nobody))
        assert cloudevents.key(nobody) is None

    @given(events)
    def test_the_partition_key_is_the_record_key(self, event: Event) -> None:
        """CloudEvents Kafka binding 3.1: mapping an attribute to the key leaves it among the headers."""
        assert dict(cloudevents.headers(event)).get("ce_partitionkey") == cloudevents.key(event)

    @given(events)
    def test_attribute_names_are_allowed_ones(self, event: Event) -> None:
        names = [name.removeprefix("ce_") for name, _ in cloudevents.headers(event) if name != "content-type"]
        assert all(name.isascii() and name.isalnum() and name.islower() and len(name) <= 20 for name in names)


def identity(event: Event) -> tuple[bytes, bytes]:
    """What CloudEvents tells events apart by."""
    headers = dict(cloudevents.headers(event))
    return headers["ce_source"], headers["ce_id"]
