"""Which partition a key belongs to: murmur2 as Java's default partitioner computes it."""

from functools import lru_cache
from typing import Final

_MASK: Final = 0xFFFFFFFF
_M: Final = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed, as an unsigned int.

    Source: `org.apache.kafka.common.utils.Utils.murmur2` (Apache Kafka), after Austin Appleby's MurmurHash2.
    """
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = _mixed(int.from_bytes(data[i : i + 4], "little"))
        h = _mixed(h) ^ _mixed(k ^ (k >> 24))
    if tail := data[whole:]:
        h = _mixed(h ^ int.from_bytes(tail, "little"))
    h = _mixed(h ^ (h >> 13))
    return h ^ (h >> 15)


def _mixed(h: int) -> int:
    """H · M modulo 2^32, by halves: no product outgrows a machine word."""
    return (h & 0xFFFF) * _M + (((h >> 16) * _M & 0xFFFF) << 16) & _MASK


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, `murmur2(key) & 0x7fffffff mod n`.

    >>> partition_of("default:alice", 8) == partition_of("default:alice", 8)
    True
    """
    return (murmur2(key.encode("utf-8")) & 0x7FFFFFFF) % partitions
