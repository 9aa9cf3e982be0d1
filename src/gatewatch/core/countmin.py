"""How often a value was seen, in little memory and never too low; any order and any merge give the same."""

from hashlib import blake2b
from operator import add
from typing import Final

#: A count-min row's width, its depth, and the counters of one stored chunk.
WIDTH: Final = 4096
DEPTH: Final = 2
CHUNK: Final = 64

#: The counters of values that were asked for; so many are kept.
_known: dict[str, tuple[int, int]] = {}
_MOST_KNOWN: Final = 32_768


def counters_of(value: str) -> tuple[int, int]:
    """The counters of a value: one index per row, rows laid end to end."""
    found = _known.get(value)
    if found is None:
        digest = int.from_bytes(blake2b(value.encode("utf-8"), digest_size=8).digest(), "big")
        found = digest % WIDTH, WIDTH + (digest >> 32) % WIDTH
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[value] = found
    return found


class CountMin:
    """How often each value was seen, in `DEPTH` rows of `WIDTH` counters; an estimate that is never too low.

    Source: Cormode & Muthukrishnan, "An improved data stream summary: the count-min sketch", 2005.
    Stored in chunks of `CHUNK` counters, so that a small batch writes little. The counters are a list, which compiled
    code reads at once; an array, half its size, makes an object of every index and number.
    """

    __slots__ = ("counters",)

    def __init__(self) -> None:
        self.counters = [0] * (WIDTH * DEPTH)

    def add(self, value: str, count: int = 1) -> tuple[int, int]:
        """Count a value; returns which counters that changed."""
        a, b = found = counters_of(value)
        counters = self.counters
        counters[a] += count
        counters[b] += count
        return found

    def count(self, value: str) -> int:
        """How often the value was counted, or a little more."""
        a, b = counters_of(value)
        counters = self.counters
        return counters[a] if counters[a] < counters[b] else counters[b]

    def merge(self, other: "CountMin") -> None:
        """Add another sketch's counters."""
        self.counters = list(map(add, self.counters, other.counters))
