"""Partitions are those of Java's clients."""

import pytest

from gatewatch.core.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hashes_are_java_s(data: bytes, signed: int) -> None:
    """The vectors of Apache Kafka's own test (UtilsTest.testMurmur2), there as signed numbers."""
    assert murmur2(data) == signed & 0xFFFFFFFF


def test_a_partition_is_the_positive_hash_modulo_their_number() -> None:
    """As Java's default partitioner: the sign bit is dropped, not the sign."""
    assert partition_of("foobar", 7) == (-790332482 & 0x7FFFFFFF) % 7
