"""A partition's own source buckets in memory: loaded once, counted in event by event, written at the end of a batch."""

from collections.abc import Iterable, Mapping

from gatewatch.core import sources
from gatewatch.core.events import LoginEvent
from gatewatch.core.sources import DAY_BUCKETS, Bucket, Buckets, Share
from gatewatch.ports import BucketKey, SourceKey, Touch

#: The most sources a partition remembers to exist; beyond, every source is looked up.
MAX_KNOWN = 125_000
#: How far ahead of a batch buckets are loaded, so that an import does not load again with every batch.
AHEAD = 7 * DAY_BUCKETS
#: Buckets of a source that stay in memory behind its newest.
MAX_SPAN = 2 * DAY_BUCKETS

_EVERYTHING = (-(1 << 62), 1 << 62)


class _Entry:
    """One source's own buckets within [lo, hi]; outside, the store must be asked."""

    __slots__ = ("buckets", "hi", "lo", "share", "stale")

    def __init__(self, lo: int, hi: int, buckets: Buckets) -> None:
        self.lo, self.hi = lo, hi
        self.buckets = buckets
        self.share = Share()
        self.stale = set(buckets)

    def read(self) -> Share:
        if self.stale:
            for index in self.stale:
                self.share.put(index, sources.slice_of(self.buckets[index]))
            self.stale.clear()
        return self.share

    def trim(self) -> None:
        oldest = max(self.buckets) - MAX_SPAN if self.buckets else self.lo
        if oldest <= self.lo or len(self.buckets) < MAX_SPAN:
            return
        self.buckets = {i: b for i, b in self.buckets.items() if i >= oldest}
        self.share = Share({i: s for i, s in self.share.slices.items() if i >= oldest})
        self.stale = {i for i in self.stale if i >= oldest}
        self.lo = oldest


class SourceCache:
    """What one partition knows of the sources whose failures it counted."""

    def __init__(self, known: set[SourceKey] | None) -> None:
        self._known = {hash(key) for key in known} if known is not None else None
        self.entries: dict[SourceKey, _Entry] = {}
        self._dirty: dict[BucketKey, Bucket] = {}
        self.touched: dict[SourceKey, Touch] = {}

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
            self.entries[key] = _Entry(lo, hi, loaded.get(key, {}))

    def share(self, key: SourceKey) -> Share | None:
        """The source's own share, uncommitted failures included; None where it has none here."""
        entry = self.entries.get(key)
        return entry.read() if entry is not None else None

    def holds(self, key: SourceKey, lo: int, hi: int) -> bool:
        """Whether memory alone answers for the source within [lo, hi]."""
        entry = self.entries.get(key)
        if entry is None:
            return self._known is not None and hash(key) not in self._known
        return entry.lo <= lo and hi <= entry.hi

    def count(self, keys: Iterable[SourceKey], event: LoginEvent, salt: bytes) -> None:
        """Count an attack failure under each of its sources."""
        for key in keys:
            entry = self.entries.get(key)
            if entry is None:
                entry = self.entries[key] = _Entry(*_EVERYTHING, {})
                if self._known is not None:
                    self._known.add(hash(key))
            index = sources.count_failure(entry.buckets, event, salt)
            entry.stale.add(index)
            self._dirty[(*key, index)] = entry.buckets[index]
            self._touch(key, index)

    def _touch(self, key: SourceKey, index: int) -> None:
        touch = self.touched.get(key)
        if touch is None:
            self.touched[key] = Touch(index, index)
        else:
            touch.lo, touch.hi = min(touch.lo, index), max(touch.hi, index)

    def take_dirty(self) -> tuple[dict[BucketKey, bytes], dict[SourceKey, Touch]]:
        """The bytes of the buckets that changed, and the range that changed per source."""
        rows = {key: sources.encode(bucket) for key, bucket in self._dirty.items()}
        touched, self.touched, self._dirty = self.touched, {}, {}
        return rows, touched

    def forget(self, deleted: Iterable[BucketKey]) -> None:
        """Old buckets were deleted from the store."""
        for tenant, kind, value, index in deleted:
            entry = self.entries.get((tenant, kind, value))
            if entry is not None and index in entry.buckets:
                del entry.buckets[index]
                entry.share = Share()
                entry.stale = set(entry.buckets)

    def shrink(self, most: int) -> None:
        """Keep the buckets of at most `most` sources; what goes is loaded again when it is needed."""
        for entry in self.entries.values():
            entry.trim()
        for key in list(self.entries)[: max(0, len(self.entries) - most)]:
            del self.entries[key]
        if self._known is not None and len(self._known) > MAX_KNOWN:
            self._known = None
