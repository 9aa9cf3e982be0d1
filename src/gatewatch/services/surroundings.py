"""What a batch's events are seen in: their sources, each as of the event's own time.

A process uses its own buckets for the partitions it owns, uncommitted failures of this batch included, event by event;
for the others it uses the share that the last review wrote into the source's view.
"""

from collections.abc import Collection, Iterable, Mapping

from gatewatch.core import sources, subjects
from gatewatch.core.context import NO_FREQUENCIES, QUIET, Context, Frequencies, SourceNumbers
from gatewatch.core.events import LoginEvent
from gatewatch.core.keys import prefix_of
from gatewatch.core.shares import NOTHING, Share, add, as_numbers, numbers_at, numbers_at_end, united_share
from gatewatch.core.sources import BUCKET
from gatewatch.core.times import DAY
from gatewatch.ports import OpenFinding, SourceKey, SourceView
from gatewatch.services.partition import Partition
from gatewatch.services.source_cache import Entry

#: Sources of these kinds are reviewed: something reads their views or looks for findings on them.
REVIEWED = frozenset({"ip", "prefix", "asn", "tenant"})
#: How long after a slot begins a success from the source may explain its failures (µs).
EXPLAINED_AFTER = 2 * DAY

#: From so many buckets on that a batch looks at, the other partitions' shares of a source are added up once.
_MANY = 8
#: The range of a source's buckets before an event was met.
_NOTHING_SEEN = (1 << 62, -(1 << 62))


class Seen:
    """One source as a batch sees it: its own buckets here, its shares elsewhere, the findings open on it.

    `lo` and `hi` are the buckets its events of the batch fall into.
    """

    __slots__ = (
        "_at",
        "_coarse",
        "_looks",
        "_rest",
        "_version",
        "elsewhere",
        "findings",
        "hi",
        "key",
        "lo",
        "own",
    )

    def __init__(self, key: SourceKey) -> None:
        self.key = key
        self.lo, self.hi = _NOTHING_SEEN
        self.own: Entry | None = None
        self.elsewhere: list[Share] = []
        self.findings: tuple[OpenFinding, ...] = ()
        self._at = self._version = -1
        self._looks = 0
        self._rest = NOTHING
        self._coarse = QUIET

    def meet(self, bucket: int) -> None:
        """An event of this bucket comes from here."""
        if bucket < self.lo:
            self.lo = bucket
        if bucket > self.hi:
            self.hi = bucket

    def numbers(self, time: int) -> SourceNumbers:
        """The source as of an event's time, exact to the minute."""
        own = self.own
        if own is None and not self.elsewhere and not self.findings:
            return QUIET
        total = numbers_at(self.elsewhere, time)
        if own is not None:
            total = add(total, own.share().numbers(time))
        return as_numbers(total, strongest(self.findings, time) if self.findings else "")

    def coarse_numbers(self, time: int) -> SourceNumbers:
        """A large source as of the end of the bucket that an event's time falls into; read once per change."""
        bucket = time // BUCKET
        own = self.own
        version = own.version if own is not None else -1
        if bucket == self._at and version == self._version:
            return self._coarse
        if bucket != self._at:
            self._looks += 1
            if self._looks == _MANY:
                self.elsewhere = [united_share(self.elsewhere)]
            self._rest = numbers_at_end(self.elsewhere, bucket)
        total = self._rest if own is None else add(self._rest, own.share().numbers_at_end(bucket))
        self._at, self._version, self._coarse = bucket, version, as_numbers(total, "")
        return self._coarse

    def findings_on(self, time: int) -> list[OpenFinding]:
        """The findings that a success at this time bears on: it explains their failures, or is doubted."""
        return [f for f in self.findings if f.since <= time <= max(f.until, f.slot + EXPLAINED_AFTER)]


class Origin:
    """Where events come from: the sources that are judged, None where one is unknown."""

    __slots__ = ("asn", "ip", "prefix", "tenant")

    def __init__(self, ip: Seen | None, prefix: Seen | None, asn: Seen | None, tenant: Seen) -> None:
        self.ip, self.prefix, self.asn, self.tenant = ip, prefix, asn, tenant

    def meet(self, bucket: int) -> None:
        """An event of this bucket comes from here."""
        for seen in (self.ip, self.prefix, self.asn, self.tenant):
            if seen is not None:
                seen.meet(bucket)

    def context(self, time: int, policy: int, frequencies: Frequencies = NO_FREQUENCIES) -> Context:
        """The context of an event: what its user's owner cannot know alone."""
        return Context(
            policy,
            self.ip.numbers(time) if self.ip is not None else QUIET,
            self.prefix.numbers(time) if self.prefix is not None else QUIET,
            self.asn.coarse_numbers(time) if self.asn is not None else QUIET,
            self.tenant.coarse_numbers(time),
            frequencies,
        )


class Surroundings:
    """The sources of a batch's events."""

    def __init__(self, own: Partition, owned: Iterable[Partition]) -> None:
        self._own = own
        self._others = {p.claim.part: p.sources for p in owned if p is not own}
        self._seen: dict[SourceKey, Seen] = {}
        self._origins: dict[tuple[str, str, int], Origin] = {}

    def origin(self, event: LoginEvent) -> Origin:
        """Where an event comes from; it is remembered that one did. What is counted only is met by failures alone."""
        number = event.asn.number if event.asn is not None else 0
        same = (event.tenant_id, event.ip, number)
        found = self._origins.get(same)
        if found is None:
            found = self._origins[same] = self._origin(*same)
        bucket = event.time // BUCKET
        found.meet(bucket)
        if event.is_attack_failure:
            for kind, value in subjects.subjects_of(event):
                if kind not in REVIEWED:
                    self._source((event.tenant_id, kind, value)).meet(bucket)
        return found

    def _origin(self, tenant: str, ip: str, asn: int) -> Origin:
        return Origin(
            self._source((tenant, "ip", ip)) if ip else None,
            self._source((tenant, "prefix", prefix_of(ip))) if ip else None,
            self._source((tenant, "asn", str(asn))) if asn else None,
            self._source((tenant, "tenant", "")),
        )

    def _source(self, key: SourceKey) -> Seen:
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = Seen(key)
        return found

    def count(self, event: LoginEvent, salt: bytes) -> None:
        """Count an attack failure under each of its sources; each was met when the batch was looked through."""
        cache, entries = self._own.sources, []
        for kind, value in subjects.subjects_of(event):
            seen = self._seen[event.tenant_id, kind, value]
            if seen.own is None:
                seen.own = cache.entry(seen.key)
            entries.append(seen.own)
        cache.count(entries, event, salt)

    def ranges(self) -> dict[SourceKey, tuple[int, int]]:
        """The sources seen so far, and the buckets of each that their events look at."""
        return {key: (seen.lo - sources.DAY_BUCKETS, seen.hi) for key, seen in self._seen.items()}

    def wanted(self) -> dict[SourceKey, bool]:
        """The sources whose views are wanted, and whether their shares are: not where this process has all of them."""
        keys = [key for key in self._seen if key[1] in REVIEWED]
        if len(self._others) + 1 != self._own.claim.partitions:
            return dict.fromkeys(keys, True)
        by_hash = {hash(key): key for key in keys}
        found = dict.fromkeys(keys, False)
        for other in self._others.values():
            found.update(dict.fromkeys(other.not_at_hand(by_hash), True))
        return found

    def settle(self, views: Mapping[SourceKey, SourceView]) -> None:
        """Take what is known of all sources seen; the others' shares stay as they are while a batch is made."""
        reviewed = {key: seen for key, seen in self._seen.items() if key[1] in REVIEWED}
        here: dict[SourceKey, list[int]] = {}
        for part, other in self._others.items():
            for key in reviewed.keys() & other.entries.keys():
                reviewed[key].elsewhere.append(other.entries[key].share())
                here.setdefault(key, []).append(part)
        for key, seen in self._seen.items():
            seen.own = self._own.sources.used(key)
        for key, view in views.items():
            seen, known = self._seen[key], {*here.get(key, ()), self._own.claim.part}
            seen.elsewhere += [share for part, share in view.shares.items() if part not in known]
            seen.findings = view.findings


def strongest(findings: Collection[OpenFinding], time: int) -> str:
    """The detector of a finding under way at a time; of several the one that began first (ties by name)."""
    under_way = [(f.first, f.detector) for f in findings if f.first <= time <= f.until]
    return min(under_way)[1] if under_way else ""
