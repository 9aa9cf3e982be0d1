"""How often a tenant's successful logins had a value: what the models divide by.

Each partition counts its own (exact rows for low cardinality, count-min for addresses, agents and devices); the other
partitions' counts are merged every minute. The few numbers an event was judged by are stored with it.
"""

from array import array
from collections.abc import Iterable, Sequence

from gatewatch.core import profiles
from gatewatch.core.context import Frequencies
from gatewatch.core.sketches import CHUNK, CountMin, counters_of

#: Per level of `Frequencies`: its attribute, whether it is sketched, and its index into `profiles.ATTRIBUTES`.
LEVELS = (
    ("ip", True, profiles.IP),
    ("asn", False, profiles.ASN),
    ("country", False, profiles.COUNTRY),
    ("ua", True, profiles.UA),
    ("browser", False, profiles.BROWSER),
    ("os", False, profiles.OS),
    ("device", True, profiles.DEVICE),
)
SKETCHED = tuple(name for name, sketched, _ in LEVELS if sketched)
#: The row that counts the logins themselves.
TOTAL = ("total", "")


class TenantFrequencies:
    """One tenant's counts: this partition's own, live, and the sum of all others as of the last merge."""

    __slots__ = ("counts", "dirty_chunks", "dirty_counts", "other_counts", "other_sketches", "sketches")

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.sketches = {name: CountMin() for name in SKETCHED}
        self.other_counts: dict[tuple[str, str], int] = {}
        self.other_sketches = {name: CountMin() for name in SKETCHED}
        self.dirty_counts: dict[tuple[str, str], int] = {}
        self.dirty_chunks: set[tuple[str, int]] = set()

    def load(
        self,
        part: int,
        rows: Iterable[tuple[int, str, str, int]],
        chunks: Iterable[tuple[int, str, int, bytes]],
    ) -> None:
        """Take the stored counts: the partition's own and the others'."""
        self.counts, self.sketches = {}, {name: CountMin() for name in SKETCHED}
        self.merge(part, rows, chunks, own=True)

    def merge(
        self,
        part: int,
        rows: Iterable[tuple[int, str, str, int]],
        chunks: Iterable[tuple[int, str, int, bytes]],
        own: bool = False,
    ) -> None:
        """Take the other partitions' counts anew, and with `own` this partition's as well."""
        self.other_counts, self.other_sketches = {}, {name: CountMin() for name in SKETCHED}
        for owner, attribute, value, n in rows:
            if owner != part:
                self.other_counts[attribute, value] = self.other_counts.get((attribute, value), 0) + n
            elif own:
                self.counts[attribute, value] = n
        for owner, attribute, chunk, data in chunks:
            if owner != part:
                _add_chunk(self.other_sketches[attribute], chunk, data)
            elif own:
                _add_chunk(self.sketches[attribute], chunk, data)

    def count(self, values: Sequence[str]) -> None:
        """Count one successful login by its values (parallel to `profiles.ATTRIBUTES`)."""
        self._count_row(TOTAL)
        for name, sketched, index in LEVELS:
            value = values[index]
            if not value:
                continue
            if sketched:
                counters = self.sketches[name].counters
                for i in counters_of(value):
                    counters[i] += 1
                    self.dirty_chunks.add((name, i // CHUNK))
            else:
                self._count_row((name, value))

    def _count_row(self, key: tuple[str, str]) -> None:
        self.counts[key] = self.counts.get(key, 0) + 1
        self.dirty_counts[key] = self.counts[key]

    def of(self, values: Sequence[str]) -> Frequencies:
        """The tenant's counts of an event's values."""
        found = [
            self._estimate(name, values[index]) if sketched else self._exact((name, values[index]))
            for name, sketched, index in LEVELS
        ]
        found.append(self._exact(TOTAL))
        return Frequencies(*found)

    def _exact(self, key: tuple[str, str]) -> int:
        return self.counts.get(key, 0) + self.other_counts.get(key, 0)

    def _estimate(self, name: str, value: str) -> int:
        if not value:
            return 0
        own, other = self.sketches[name].counters, self.other_sketches[name].counters
        a, b = counters_of(value)
        return min(own[a] + other[a], own[b] + other[b])

    def take_dirty(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, int], bytes]]:
        """What changed since the last call: row values, and the bytes of chunks."""
        chunks = {
            (name, chunk): array(
                "I", self.sketches[name].counters[chunk * CHUNK : (chunk + 1) * CHUNK]
            ).tobytes()
            for name, chunk in self.dirty_chunks
        }
        counts, self.dirty_counts, self.dirty_chunks = self.dirty_counts, {}, set()
        return counts, chunks


def _add_chunk(sketch: CountMin, chunk: int, data: bytes) -> None:
    start = chunk * CHUNK
    for i, n in enumerate(array("I", data), start):
        sketch.counters[i] += n
