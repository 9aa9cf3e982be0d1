"""A partition's own source buckets in memory: loaded once, counted in event by event, written at the end of a batch."""

from collections.abc import Iterable, Mapping

from gatewatch.core import sources, subjects
from gatewatch.core.events import LoginEvent
from gatewatch.core.shares import Share, slice_of
from gatewatch.core.sources import DAY_BUCKETS, Buckets
from gatewatch.ports import BucketKey, SourceKey, Touch

#: The most sources a partition remembers to exist; beyond, every source is looked up.
MAX_KNOWN = 125_000
#: How far ahead of a batch buckets are loaded, so that an import does not load again with every batch.
AHEAD = 7 * DAY_BUCKETS
#: Buckets of a source that stay in memory behind its newest.
MAX_SPAN = 2 * DAY_BUCKETS

_EVERYTHING = (-(1 << 62), 1 << 62)


class Entry:
    """One source's own buckets within [lo, hi]; outside, the store must be asked.

    `version` grows with each failure that is counted; `dirty` are the buckets that changed in this batch.
    """

    __slots__ = ("_share", "_stale", "buckets", "dirty", "hi", "key", "lo", "version")

    def __init__(self, key: SourceKey, lo: int, hi: int, buckets: Buckets) -> None:
        self.key, self.lo, self.hi = key, lo, hi
        self.buckets = buckets
        self.dirty: set[int] = set()
        self.version = 0
        self._share = Share()
        self._stale = set(buckets)

    def share(self) -> Share:
        """The source's own share, uncommitted failures included."""
        if self._stale:
            for index in self._stale:
                self._share.put(index, slice_of(self.buckets[index]))
            self._stale.clear()
        return self._share

    def count(self, time: int, user: int, unknown: bool) -> None:
        """Count one failure on a user."""
        index = subjects.count_try(self.buckets, time, user, unknown)
        self._stale.add(index)
        self.dirty.add(index)
        self.version += 1

    def forget(self, index: int) -> None:
        """A bucket was deleted from the store."""
        del self.buckets[index]
        self._share = Share()
        self._stale = set(self.buckets)
        self.version += 1

    def trim(self) -> None:
        """Keep `MAX_SPAN` buckets behind the newest."""
        if len(self.buckets) < MAX_SPAN or (oldest := max(self.buckets) - MAX_SPAN) <= self.lo:
            return
        self.buckets = {i: b for i, b in self.buckets.items() if i >= oldest}
        self._share = Share({i: s for i, s in self._share.slices.items() if i >= oldest})
        self._stale = {i for i in self._stale if i >= oldest}
        self.lo = oldest


class SourceCache:
    """What one partition knows of the sources whose failures it counted."""

    def __init__(self, known: set[SourceKey] | None) -> None:
        self._known = {hash(key) for key in known} if known is not None else None
        self.entries: dict[SourceKey, Entry] = {}
        self._dirty: list[Entry] = []

    def missing(self, needs: Mapping[SourceKey, tuple[int, int]]) -> dict[SourceKey, tuple[int, int]]:
        """Of the sources with the bucket ranges that a batch needs, those to load, each with the range to load."""
        wanted: dict[SourceKey, tuple[int, int]] = {}
        for key, (lo, hi) in needs.items():
            if not self.holds(key, lo, hi):
                wanted[key] = (lo - DAY_BUCKETS, hi + AHEAD)
        return wanted

    def take(self, loaded: Mapping[SourceKey, Buckets], ranges: Mapping[SourceKey, tuple[int, int]]) -> None:
        """Keep what was loaded; it replaces what was kept (nothing is dirty between batches)."""
        for key, (lo, hi) in ranges.items():
            self.entries[key] = Entry(key, lo, hi, loaded.get(key, {}))

    def not_at_hand(self, by_hash: Mapping[int, SourceKey]) -> list[SourceKey]:
        """Of sources by their hashes, those that the partition has, or may have, buckets of which are not in memory."""
        known = by_hash.keys() if self._known is None else self._known.intersection(by_hash)
        return [by_hash[hash] for hash in known if by_hash[hash] not in self.entries]

    def holds(self, key: SourceKey, lo: int, hi: int) -> bool:
        """Whether memory alone answers for the source within [lo, hi]."""
        entry = self.entries.get(key)
        if entry is None:
            return self._known is not None and hash(key) not in self._known
        return entry.lo <= lo and hi <= entry.hi

    def used(self, key: SourceKey) -> Entry | None:
        """What is at hand of a source that a batch looks at; it stays longer than those that none looked at since."""
        found = self.entries.pop(key, None)
        if found is not None:
            self.entries[key] = found
        return found

    def entry(self, key: SourceKey) -> Entry:
        """The source's own buckets, to count in."""
        found = self.entries.get(key)
        if found is None:
            found = self.entries[key] = Entry(key, *_EVERYTHING, {})
            if self._known is not None:
                self._known.add(hash(key))
        return found

    def count(self, entries: Iterable[Entry], event: LoginEvent, salt: bytes) -> None:
        """Count an attack failure under each of its sources."""
        user, unknown = subjects.tried(event, salt)
        for entry in entries:
            if not entry.dirty:
                self._dirty.append(entry)
            entry.count(event.time, user, unknown)

    def take_dirty(self) -> tuple[dict[BucketKey, bytes], dict[SourceKey, Touch]]:
        """The bytes of the buckets that changed, and the range that changed per source."""
        rows: dict[BucketKey, bytes] = {}
        touched: dict[SourceKey, Touch] = {}
        for entry in self._dirty:
            for index in entry.dirty:
                rows[(*entry.key, index)] = sources.encode(entry.buckets[index])
            touched[entry.key] = Touch(min(entry.dirty), max(entry.dirty))
            entry.dirty.clear()
        self._dirty = []
        return rows, touched

    def forget(self, deleted: Iterable[BucketKey]) -> None:
        """Old buckets were deleted from the store."""
        for tenant, kind, value, index in deleted:
            entry = self.entries.get((tenant, kind, value))
            if entry is not None and index in entry.buckets:
                entry.forget(index)

    def shrink(self, most: int) -> None:
        """Keep the buckets of at most `most` sources, those used last; what goes is loaded again when it is needed."""
        for entry in self.entries.values():
            entry.trim()
        for key in list(self.entries)[: max(0, len(self.entries) - most)]:
            del self.entries[key]
        if self._known is not None and len(self._known) > MAX_KNOWN:
            self._known = None
