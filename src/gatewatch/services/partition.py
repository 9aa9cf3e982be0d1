"""What the owner of a partition keeps in memory between batches. A claim starts with none of it."""

from collections.abc import Collection

from gatewatch import metrics
from gatewatch.core import profiles
from gatewatch.ports import Batch, Claim, Deleted, PartitionStore, TenantKey, UserRow
from gatewatch.services.frequencies import TenantFrequencies
from gatewatch.services.source_cache import MAX_KNOWN, SourceCache
from gatewatch.services.user_state import UserState

#: The most users whose rows stay in memory between batches, and the most sources with their buckets, per process (a
#: user takes about 1 kB, a source 3 kB). As objects a profile takes ten times the memory of its bytes, and what lies
#: all over memory slows down everything else.
MAX_USERS = 96_000
MAX_SOURCES = 24_000
#: The most tenants whose frequencies stay in memory, per partition (about 0.6 MB each).
MAX_TENANTS = 32


class Partition:
    """A claimed partition: where it stands and its caches. `users` are those that the batch in hand works with."""

    def __init__(self, claim: Claim, store: PartitionStore) -> None:
        self.claim = claim
        self.users: dict[TenantKey, UserState] = {}
        self._loaded: dict[TenantKey, UserRow] = {}
        self._resting: dict[TenantKey, UserRow] = {}
        self.sources = SourceCache(store.sources_known(claim.part, MAX_KNOWN))
        self._frequencies: dict[str, TenantFrequencies] = {}

    def load_users(self, keys: Collection[TenantKey], store: PartitionStore) -> None:
        """Have the state of a batch's users at hand."""
        missing = [key for key in keys if key not in self._resting]
        metrics.count_lookups("users", len(keys), len(missing))
        self.users = {}
        self._loaded = store.users(missing) if missing else {}

    def user(self, key: TenantKey) -> UserState | None:
        """The state of one of them, as the batch has left it so far; None for a user without a row."""
        state = self.users.get(key)
        if state is None and (row := self._resting.get(key) or self._loaded.get(key)) is not None:
            state = self.users[key] = UserState(profiles.decode(row.profile), *row[1:5])
        return state

    def part_with(self, key: TenantKey) -> UserRow | None:
        """The batch has no more of a user: the row that it leaves, None where it changed nothing."""
        state = self.users.pop(key, None)
        if state is None or not state.changed:
            return None
        profile = state.profile
        beside = (state.name, state.user_id, state.last_seen, state.risk, profile.has_history)
        return tuple.__new__(UserRow, (profiles.encode(profile), *beside))  # see `batching.event_row`

    def rest(self, batch: Batch) -> None:
        """Put the users of a stored batch to rest."""
        for key, row in batch.users.items():
            self._resting.pop(key, None)  # those that change stay longest
            self._resting[key] = row

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

    def cached(self) -> tuple[int, int]:
        """How many users and sources are in memory."""
        return len(self._resting), len(self.sources.entries)

    def shrink(self, owned: int) -> None:
        """Keep memory bounded after a batch is stored, in a process that owns so many partitions: what was used
        longest ago goes first.
        """
        for key in list(self._resting)[: max(0, len(self._resting) - MAX_USERS // owned)]:
            del self._resting[key]
        for tenant_id in list(self._frequencies)[: max(0, len(self._frequencies) - MAX_TENANTS)]:
            del self._frequencies[tenant_id]
        self.sources.shrink(MAX_SOURCES // owned)
