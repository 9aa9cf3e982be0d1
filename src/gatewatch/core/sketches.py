"""A sketch that gives the same answer in any order and any merge: the smallest hashes of a set with a count each, exact
below its size, an estimate above.
"""

from hashlib import blake2b

import msgspec

#: How many hashes a bottom-k sketch keeps.
K = 256
_SPACE = 1 << 32


def keyed_hash(key: bytes, value: str) -> int:
    """32 bits of keyed BLAKE2b: whoever reads a sketch cannot look up who is in it."""
    return int.from_bytes(blake2b(value.encode("utf-8"), digest_size=4, key=key).digest(), "big")


class BottomK(msgspec.Struct, array_like=True, gc=False):
    """The `K` smallest hashes with a count each. Hashes of `theta` and above were dropped (0: none was).

    Source: Cohen & Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """

    counts: dict[int, int] = msgspec.field(default_factory=dict)
    theta: int = 0

    def add(self, hash: int, count: int) -> None:
        """Add `count` to a hash. A hash that is kept in the end was never dropped, so its count is exact."""
        counts = self.counts
        if hash in counts:
            counts[hash] += count
        elif not self.theta or hash < self.theta:
            counts[hash] = count
            if len(counts) > K:
                self.theta = max(counts)
                del counts[self.theta]

    def merge(self, other: "BottomK") -> None:
        """Take in another sketch: the same as having added everything to one."""
        if other.theta and (not self.theta or other.theta < self.theta):
            self.theta = other.theta
            self.counts = {h: n for h, n in self.counts.items() if h < other.theta}
        for hash, count in other.counts.items():
            self.add(hash, count)

    def scale(self) -> float:
        """How many set members each kept hash stands for (1.0 while the sketch is exact)."""
        return _SPACE / self.theta if self.theta else 1.0

    def distinct(self) -> float:
        """The number of distinct hashes: exact below `K`, else the estimate kept / (theta / 2^32)."""
        return len(self.counts) * self.scale()
