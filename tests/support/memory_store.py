"""The store of partitions in memory, for one thread: what PostgreSQL does where nothing fails and nothing is old."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from gatewatch.core import events, sources
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.detection import StoredLogin
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.shares import Share
from gatewatch.core.sources import Buckets
from gatewatch.ports import (
    Batch,
    Claim,
    Deleted,
    EventRow,
    PackedEvent,
    QueueRow,
    ReviewBatch,
    SourceKey,
    SourceView,
    Success,
    Tenant,
    TenantKey,
    UserRow,
)

Range = tuple[int, int]


class MemoryStore:
    """See `ports.PartitionStore`."""

    def __init__(self) -> None:
        self._events: dict[TenantKey, EventRow] = {}
        self._controls: set[TenantKey] = set()
        self._users: dict[TenantKey, UserRow] = {}
        self._buckets: dict[SourceKey, dict[int, dict[int, bytes]]] = {}
        self._views: dict[SourceKey, SourceView] = {}
        self._anomalies: dict[TenantKey, Anomaly] = {}
        self._doubted: dict[TenantKey, set[str]] = {}
        self._counts: dict[tuple[str, int, str, str], int] = {}
        self._sketches: dict[tuple[str, int, str, int], bytes] = {}
        self._queue: dict[int, list[QueueRow]] = {}

    # What a batch asks for -----------------------------------------------------------------------------------------

    def tenants(self, ids: Collection[str]) -> dict[str, Tenant]:
        """All of them are alike."""
        return {id: Tenant(b"salt of a test..", DEFAULT) for id in ids}

    def policy(self, tenant_id: str, revision: int) -> Policy:  # noqa: ARG002 (there is one)
        """The one in force."""
        return self.tenants([tenant_id])[tenant_id].policy

    def stored_events(self, keys: Mapping[TenantKey, int | None]) -> dict[TenantKey, bytes]:
        """The digests of those that are stored."""
        return {key: self._events[key].digest for key in keys if key in self._events}

    def stored_controls(self, keys: Collection[TenantKey]) -> set[TenantKey]:
        """Those that are stored."""
        return self._controls.intersection(keys)

    def users(self, keys: Collection[TenantKey]) -> dict[TenantKey, UserRow]:
        """Those that have a row."""
        return {key: self._users[key] for key in keys if key in self._users}

    def sources_known(self, part: int, limit: int) -> set[SourceKey] | None:
        """The sources with buckets on a partition."""
        known = {key for key, parts in self._buckets.items() if part in parts}
        return known if len(known) <= limit else None

    def buckets(self, part: int, ranges: Mapping[SourceKey, Range]) -> dict[SourceKey, Buckets]:
        """Those of one partition."""
        united = self.united_buckets(ranges)
        return {key: parts[part] for key, parts in united.items() if part in parts}

    def views(self, keys: Mapping[SourceKey, bool]) -> dict[SourceKey, SourceView]:
        """Copies, as they would be from a database."""
        found = {key: self._views[key] for key in keys if key in self._views}
        return {
            key: SourceView({part: Share(dict(s.slices)) for part, s in v.shares.items()}, v.findings, v.lost)
            for key, v in found.items()
            if keys[key] or v.findings
        }

    def anomalies(self, keys: Collection[TenantKey]) -> dict[TenantKey, Anomaly]:
        """The newest version of each."""
        return {key: self._anomalies[key] for key in keys if key in self._anomalies}

    def logins(self, keys: Mapping[TenantKey, int]) -> dict[TenantKey, StoredLogin]:
        """As they were assessed."""
        rows = {key: self._events[key] for key in keys if key in self._events}
        return {
            key: StoredLogin(events.decode(row.event), row.weight, tuple(row.detectors))
            for key, row in rows.items()
        }

    def value_counts(self, tenant_id: str) -> Iterable[tuple[int, str, str, int]]:
        """By partition."""
        return [(*key[1:], n) for key, n in self._counts.items() if key[0] == tenant_id]

    def value_sketches(self, tenant_id: str) -> Iterable[tuple[int, str, int, bytes]]:
        """By partition."""
        return [(*key[1:], data) for key, data in self._sketches.items() if key[0] == tenant_id]

    def pack(self, row: EventRow) -> PackedEvent:
        """As MessagePack."""
        packed = msgspec.msgpack.encode(row)
        return PackedEvent(*row[:5], row.outcome, row.offset, packed)

    def commit(self, batch: Batch) -> Deleted:
        """Store everything."""
        part = batch.claim.part
        rows = (msgspec.msgpack.decode(event.row, type=EventRow) for event in batch.events)
        self._events |= {(row.tenant_id, row.event_id): row for row in rows}
        self._controls |= {(row.control.tenant_id, row.control.id) for row in batch.controls}
        self._users |= batch.users
        for (*source, index), data in batch.buckets.items():
            shares = self._buckets.setdefault((source[0], source[1], source[2]), {})
            shares.setdefault(part, {})[index] = data
        self._counts |= {(key[0], part, key[1], key[2]): n for key, n in batch.counts.items()}
        self._sketches |= {(key[0], part, key[1], key[2]): data for key, data in batch.sketches.items()}
        self._anomalies |= {(a.tenant_id, a.id): a for a in batch.anomalies}
        waiting = self._queue.setdefault(part, [])
        waiting += [QueueRow(k, part, batch.next_offset, t.lo, t.hi) for k, t in batch.touched.items()]
        return Deleted([], [])

    # What a review asks for ----------------------------------------------------------------------------------------

    def queue(self, claim: Claim, limit: int) -> list[QueueRow]:
        """In a fixed order."""
        return sorted(self._queue.get(claim.part, []))[:limit]

    def united_buckets(self, ranges: Mapping[SourceKey, Range]) -> dict[SourceKey, dict[int, Buckets]]:
        """Those of all partitions."""
        return {
            key: {
                part: {i: sources.decode(data) for i, data in packed.items() if lo <= i <= hi}
                for part, packed in self._buckets.get(key, {}).items()
            }
            for key, (lo, hi) in ranges.items()
        }

    def findings(self, keys: Mapping[SourceKey, Range]) -> dict[SourceKey, list[Anomaly]]:
        """Those on sources."""
        found: dict[SourceKey, list[Anomaly]] = {}
        for a in self._anomalies.values():
            key = (a.tenant_id, a.subject_kind, a.subject)
            if key in keys and keys[key][0] <= a.slot <= keys[key][1]:
                found.setdefault(key, []).append(a)
        return found

    def successes(self, key: SourceKey, since: int, until: int, limit: int) -> list[Success]:
        """By time."""
        rows = [row for row in self._events.values() if _is_from(row, key) and since <= row.time <= until]
        return sorted((Success(r.event_id, r.time, r.user_key) for r in rows), key=lambda s: s[1:])[:limit]

    def succeeding_users(self, key: SourceKey, since: int, until: int, limit: int) -> set[str]:
        """Who got in."""
        return {success.user_key for success in self.successes(key, since, until, limit)}

    def doubted(self, tenant_id: str, finding: str) -> set[str]:
        """The events that were."""
        return self._doubted.get((tenant_id, finding), set())

    def commit_review(self, batch: ReviewBatch) -> None:
        """Store everything."""
        done = set(batch.done)
        self._queue[batch.claim.part] = [row for row in self._queue[batch.claim.part] if row not in done]
        self._views |= batch.views
        self._anomalies |= {(a.tenant_id, a.id): a for a in batch.anomalies}
        for tenant_id, finding, event_id in batch.doubts:
            self._doubted.setdefault((tenant_id, finding), set()).add(event_id)


def _is_from(row: EventRow, key: SourceKey) -> bool:
    if row.ip is None or not events.decode(row.event).is_success:
        return False
    return key[2] == (row.ip if key[1] == "ip" else prefix_of(row.ip))
