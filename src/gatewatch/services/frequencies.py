"""How often a tenant's successful logins had a value: what the models divide by.

Each partition counts its own (exact rows for low cardinality, count-min for addresses, agents and devices); the other
partitions' counts are taken anew every minute. The few numbers an event was judged by are stored with it.
"""

from array import array
from collections.abc import Iterable, Sequence
from operator import add

from gatewatch.core import profiles
from gatewatch.core.context import Frequencies
from gatewatch.core.countmin import CHUNK, CountMin, counters_of

#: The levels that are sketched and those that are exact: each with its index into `profiles.ATTRIBUTES`.
SKETCHED = {"ip": profiles.IP, "ua": profiles.UA, "device": profiles.DEVICE}
EXACT = {
    "asn": profiles.ASN,
    "country": profiles.COUNTRY,
    "browser": profiles.BROWSER,
    "os": profiles.OS,
}
#: The attribute of the row that counts the logins themselves; its value is "".
TOTAL = "total"


class _Exact:
    """One level with a count per value: the partition's own, all others' together, which own ones changed."""

    __slots__ = ("changed", "index", "others", "own")

    def __init__(self, index: int) -> None:
        self.index = index
        self.own: dict[str, int] = {}
        self.others: dict[str, int] = {}
        self.changed: set[str] = set()

    def count(self, value: str) -> None:
        own = self.own
        own[value] = own.get(value, 0) + 1
        self.changed.add(value)

    def of(self, value: str) -> int:
        return self.own.get(value, 0) + self.others.get(value, 0)


class _Sketched:
    """One level as count-min counters, likewise; which chunks changed."""

    __slots__ = ("changed", "index", "others", "own")

    def __init__(self, index: int) -> None:
        self.index = index
        self.own = CountMin()
        self.others = CountMin()
        self.changed: set[int] = set()

    def count(self, value: str) -> None:
        a, b = self.own.add(value)
        self.changed.add(a // CHUNK)
        self.changed.add(b // CHUNK)

    def of(self, value: str) -> int:
        """The least of the value's counters, each over all partitions."""
        if not value:
            return 0
        a, b = counters_of(value)
        own, others = self.own.counters, self.others.counters
        first, second = own[a] + others[a], own[b] + others[b]
        return first if first < second else second


class TenantFrequencies:
    """One tenant's counts: this partition's own, live, and with them those of all others as of the last merge."""

    __slots__ = ("_exact", "_levels", "_logins", "_sketched")

    def __init__(self) -> None:
        self._exact = {name: _Exact(index) for name, index in EXACT.items()}
        self._sketched = {name: _Sketched(index) for name, index in SKETCHED.items()}
        self._logins = _Exact(-1)
        levels = self._exact | self._sketched
        self._levels = [levels[name] for name in Frequencies.__struct_fields__ if name != TOTAL]

    def load(
        self,
        part: int,
        rows: Iterable[tuple[int, str, str, int]],
        chunks: Iterable[tuple[int, str, int, bytes]],
    ) -> None:
        """Take the stored counts: the partition's own and the others'."""
        found = list(rows)
        for owner, attribute, value, n in found:
            if owner == part:
                self._rows(attribute).own[value] = n
        stored = list(chunks)
        for owner, attribute, chunk, data in stored:
            if owner == part:
                _add(self._sketched[attribute].own, chunk, data)
        self.merge(part, found, stored)

    def merge(
        self,
        part: int,
        rows: Iterable[tuple[int, str, str, int]],
        chunks: Iterable[tuple[int, str, int, bytes]],
    ) -> None:
        """Take the other partitions' counts anew; the own stay as they are."""
        for exact in (*self._exact.values(), self._logins):
            exact.others = {}
        for sketched in self._sketched.values():
            sketched.others = CountMin()
        for owner, attribute, value, n in rows:
            if owner != part:
                others = self._rows(attribute).others
                others[value] = others.get(value, 0) + n
        for owner, attribute, chunk, data in chunks:
            if owner != part:
                _add(self._sketched[attribute].others, chunk, data)

    def _rows(self, attribute: str) -> _Exact:
        return self._logins if attribute == TOTAL else self._exact[attribute]

    def count(self, values: Sequence[str]) -> None:
        """Count one successful login by its values (parallel to `profiles.ATTRIBUTES`)."""
        self._logins.count("")
        for level in self._levels:
            if value := values[level.index]:
                level.count(value)

    def of(self, values: Sequence[str]) -> Frequencies:
        """The tenant's counts of an event's values."""
        ip, asn, country, ua, browser, os, device = [level.of(values[level.index]) for level in self._levels]
        return Frequencies(ip, asn, country, ua, browser, os, device, self._logins.of(""))

    def counts(self) -> dict[tuple[str, str], int]:
        """The partition's own exact counts, by attribute and value."""
        rows = {**self._exact, TOTAL: self._logins}
        return {(name, value): n for name, exact in rows.items() for value, n in exact.own.items()}

    def counters(self, name: str) -> list[int]:
        """The partition's own counters of a sketched level."""
        return self._sketched[name].own.counters

    def take_dirty(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, int], bytes]]:
        """What changed since the last call: row values, and the bytes of chunks."""
        rows: dict[tuple[str, str], int] = {}
        for name, exact in (*self._exact.items(), (TOTAL, self._logins)):
            rows |= {(name, value): exact.own[value] for value in exact.changed}
            exact.changed.clear()
        chunks: dict[tuple[str, int], bytes] = {}
        for name, sketched in self._sketched.items():
            for chunk in sketched.changed:
                own = sketched.own.counters[chunk * CHUNK : (chunk + 1) * CHUNK]
                chunks[name, chunk] = array("I", own).tobytes()
            sketched.changed.clear()
        return rows, chunks


def _add(sketch: CountMin, chunk: int, data: bytes) -> None:
    counters, start = sketch.counters, chunk * CHUNK
    counters[start : start + CHUNK] = map(add, counters[start : start + CHUNK], array("I", data))
