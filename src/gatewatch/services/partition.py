"""What the owner of a partition keeps in memory between batches. A claim starts with none of it."""

from collections.abc import Collection, Iterable, Mapping

from gatewatch.core import profiles
from gatewatch.core.context import NO_FREQUENCIES, QUIET, Context, SourceNumbers
from gatewatch.core.events import LoginEvent, prefix_of
from gatewatch.core.sources import BUCKET, NOTHING, Numbers, Share, add, as_numbers, numbers_at
from gatewatch.core.times import DAY
from gatewatch.ports import (
    Batch,
    Claim,
    Deleted,
    OpenFinding,
    PartitionStore,
    SourceKey,
    SourceView,
    TenantKey,
    UserState,
)
from gatewatch.services.frequencies import TenantFrequencies
from gatewatch.services.source_cache import MAX_KNOWN, SourceCache

#: The most users whose state stays in memory between batches, as bytes, and the most sources with their buckets, per
#: process (a user takes about 1 kB, a source 3 kB).
MAX_USERS = 160_000
MAX_SOURCES = 24_000
#: The most tenants whose frequencies stay in memory, per partition (about 0.4 MB each).
MAX_TENANTS = 32


#: How long after a slot begins a success from the source may explain its failures (µs).
EXPLAINED_AFTER = 2 * DAY


#: A user between batches: the profile's bytes, then name, id, last seen and risk as in `UserState`. As objects a
#: profile takes ten times the memory, and the processor's caches hold it no better.
Resting = tuple[bytes, str, str, int, float]


class Partition:
    """A claimed partition: where it stands and its caches. `users` are those of the batch in hand."""

    def __init__(self, claim: Claim, store: PartitionStore) -> None:
        self.claim = claim
        self.users: dict[TenantKey, UserState | None] = {}
        self._resting: dict[TenantKey, Resting | None] = {}
        self.sources = SourceCache(store.sources_known(claim.part, MAX_KNOWN))
        self._frequencies: dict[str, TenantFrequencies] = {}

    def load_users(self, keys: Collection[TenantKey], store: PartitionStore) -> None:
        """Have the state of these users at hand, and of no others; None stands for a user without a row."""
        missing = [key for key in keys if key not in self._resting]
        found = store.users(missing) if missing else {}
        self.users = {
            key: _awake(self._resting[key]) if key in self._resting else found.get(key) for key in keys
        }

    def rest(self, batch: Batch) -> None:
        """Put the users of a stored batch to rest."""
        for key, state in batch.users.items():
            self._resting[key] = (state.packed, state.name, state.user_id, state.last_seen, state.risk)
        self.users = {}

    def frequencies(self, tenant_id: str, store: PartitionStore) -> TenantFrequencies:
        """The tenant's counts, loaded when first asked for."""
        found = self._frequencies.get(tenant_id)
        if found is None:
            found = self._frequencies[tenant_id] = TenantFrequencies()
            found.load(self.claim.part, store.value_counts(tenant_id), store.value_sketches(tenant_id))
        return found

    def merge_frequencies(self, store: PartitionStore) -> None:
        """Take the other partitions' counts anew (once a minute)."""
        for tenant_id, found in self._frequencies.items():
            found.merge(self.claim.part, store.value_counts(tenant_id), store.value_sketches(tenant_id))

    def take_dirty_frequencies(
        self,
    ) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str, int], bytes]]:
        """What a batch changed in its tenants' counts: rows and chunks by tenant, attribute and value or chunk."""
        rows: dict[tuple[str, str, str], int] = {}
        sketches: dict[tuple[str, str, int], bytes] = {}
        for tenant_id, found in self._frequencies.items():
            counts, chunks = found.take_dirty()
            rows |= {(tenant_id, *key): n for key, n in counts.items()}
            sketches |= {(tenant_id, *key): data for key, data in chunks.items()}
        return rows, sketches

    def forget(self, deleted: Deleted) -> None:
        """What the store has deleted is not known here any more either."""
        self.sources.forget(deleted.buckets)
        for key in deleted.users:
            self._resting.pop(key, None)

    def shrink(self, owned: int) -> None:
        """Keep memory bounded after a batch is stored, in a process that owns so many partitions: what was loaded
        longest ago goes first.
        """
        for key in list(self._resting)[: max(0, len(self._resting) - MAX_USERS // owned)]:
            del self._resting[key]
        for tenant_id in list(self._frequencies)[: max(0, len(self._frequencies) - MAX_TENANTS)]:
            del self._frequencies[tenant_id]
        self.sources.shrink(MAX_SOURCES // owned)


def _awake(resting: Resting | None) -> UserState | None:
    return UserState(profiles.decode(resting[0]), *resting[1:]) if resting is not None else None


class Surroundings:
    """What a batch's events are seen in: own shares where this process owns the partition, else the stored views."""

    def __init__(
        self, own: Partition, others: Iterable[Partition], views: Mapping[SourceKey, SourceView]
    ) -> None:
        self._own = own.sources
        self._owned = {p.claim.part: p.sources for p in others if p is not own}
        self._part = own.claim.part
        self._views = views
        self._elsewhere: dict[SourceKey, list[Share]] = {}
        self._coarse: dict[tuple[SourceKey, int], Numbers] = {}

    def numbers(self, key: SourceKey, time: int) -> SourceNumbers:
        """A source as of an event's time, exact to the minute."""
        shares = self._shares_elsewhere(key)
        own = self._own.share(key)
        view = self._views.get(key)
        if own is None and not shares and view is None:
            return QUIET
        finding = strongest(view.findings, time) if view is not None and view.findings else ""
        return numbers_at([own, *shares] if own is not None else shares, time, finding)

    def coarse_numbers(self, key: SourceKey, time: int) -> SourceNumbers:
        """A large source as of an event's time; what other partitions counted is read once per bucket, at its end."""
        bucket = time // BUCKET
        total = self._coarse.get((key, bucket))
        if total is None:
            total = NOTHING
            for share in self._shares_elsewhere(key):
                total = add(total, share.numbers((bucket + 1) * BUCKET - 1))
            self._coarse[key, bucket] = total
        own = self._own.share(key)
        return as_numbers(add(total, own.numbers(time)) if own is not None else total, "")

    def _shares_elsewhere(self, key: SourceKey) -> list[Share]:
        """The source's shares on other partitions; they stay as they are while a batch is made."""
        found = self._elsewhere.get(key)
        if found is None:
            owned = {part: cache for part, cache in self._owned.items() if key in cache.entries}
            found = [share for cache in owned.values() if (share := cache.share(key)) is not None]
            if (view := self._views.get(key)) is not None:
                known = owned.keys() | {self._part}
                found += [share for part, share in view.shares.items() if part not in known]
            self._elsewhere[key] = found
        return found

    def open_findings(self, key: SourceKey, time: int) -> list[OpenFinding]:
        """The findings open on a source that a success at this time bears on: it explains failures, or is doubted."""
        view = self._views.get(key)
        if view is None:
            return []
        return [f for f in view.findings if f.since <= time <= max(f.until, f.slot + EXPLAINED_AFTER)]

    def context(
        self, event: LoginEvent, policy: int, frequencies: TenantFrequencies | None, values: tuple[str, ...]
    ) -> Context:
        """The context of an event: what its user's owner cannot know alone."""
        tenant, time = event.tenant_id, event.time
        asn = str(event.asn.number) if event.asn is not None and event.asn.number else ""
        return Context(
            policy,
            self.numbers((tenant, "ip", event.ip), time) if event.ip else QUIET,
            self.numbers((tenant, "prefix", prefix_of(event.ip)), time) if event.ip else QUIET,
            self.coarse_numbers((tenant, "asn", asn), time) if asn else QUIET,
            self.coarse_numbers((tenant, "tenant", ""), time),
            frequencies.of(values) if frequencies is not None else NO_FREQUENCIES,
        )


def strongest(findings: Collection[OpenFinding], time: int) -> str:
    """The detector of a finding under way at a time; of several the one that began first (ties by name)."""
    under_way = [(f.first, f.detector) for f in findings if f.first <= time <= f.until]
    return min(under_way)[1] if under_way else ""
