"""Partitions of keys: the same as every Kafka client computes."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.partitions import murmur2, partition_of

LONG = b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"


class TestMurmur2:
    @pytest.mark.parametrize(
        ("key", "signed"),
        [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (LONG, -58897971),
            (b"abc", 479470107),
        ],
    )
    def test_is_that_of_apache_kafka(self, key: bytes, signed: int) -> None:
        """INVARIANT: breaks when a key goes to another partition than with a client outside. Vectors: `UtilsTest` of
        Apache Kafka, which has them as signed integers."""
        assert murmur2(key) == signed % 2**32

    @given(st.binary(max_size=40))
    def test_is_an_unsigned_integer_of_32_bits(self, key: bytes) -> None:
        assert 0 <= murmur2(key) < 2**32


class TestPartitionOf:
    @pytest.mark.parametrize(("key", "partition"), [(b"21", 0), (b"foobar", 6), (b"abc", 3)])
    def test_drops_the_sign_and_takes_the_rest(self, key: bytes, partition: int) -> None:
        """Kafka's `toPositive` clears the highest bit; it does not take the absolute value."""
        assert partition_of(key, 12) == partition

    @given(st.uuids(), st.integers(1, 100))
    def test_is_one_of_them(self, party: UUID, partitions: int) -> None:
        assert 0 <= partition_of(str(party).encode(), partitions) < partitions
