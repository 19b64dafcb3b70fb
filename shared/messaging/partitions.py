"""Which partition a key belongs to: Kafka's default partitioner (murmur2), so that any client finds the same one."""

from functools import lru_cache
from typing import Final

_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """32-bit murmur2 with Kafka's seed, as an unsigned integer."""
    length = len(key)
    h = (0x9747B28C ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    tail = key[whole:]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a record key, as every Kafka client with the default partitioner computes it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
