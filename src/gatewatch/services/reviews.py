"""The review of sources: reconciles what is open with all findings of a source, over every window position.

A review looks at whole slots (UTC days). Whatever order failures came in, the same failures and successes give the same
findings; a finding that lost a bucket is frozen: it may be raised, never lowered or withdrawn.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from gatewatch.core import anomalies, records, subjects
from gatewatch.core.anomalies import SLOT, Anomaly
from gatewatch.core.engine import Engine
from gatewatch.core.policy import Policy
from gatewatch.core.records import ControlRecord
from gatewatch.core.shares import Share, slice_of
from gatewatch.core.signals import Finding
from gatewatch.core.sketches import keyed_hash
from gatewatch.core.sources import BUCKET, DAY_BUCKETS, Buckets
from gatewatch.core.times import DAY, HOUR
from gatewatch.ports import (
    LOGINS,
    Clock,
    OpenFinding,
    Outgoing,
    PartitionStore,
    QueueRow,
    ReviewBatch,
    SourceKey,
    SourceView,
    Success,
    Tenant,
    Touch,
)
from gatewatch.services.batching import announcement
from gatewatch.services.partition import Partition
from gatewatch.services.surroundings import EXPLAINED_AFTER

#: The queue's parts that are no partition: "look again later" and "a policy changed".
AGAIN = -1
POLICY = -2
#: The kinds of sources whose logins can be looked up.
LOCATED = frozenset({"ip", "prefix"})
#: Slices a view keeps behind its newest bucket.
VIEW_SPAN = 2 * DAY_BUCKETS
#: The most open findings a view names.
MAX_FINDINGS = 32
#: The most successes of a source that one review reads.
MAX_SUCCESSES = 10_000

_DAYS = SLOT // BUCKET


class Reviewer:
    """Makes reviews. A source with open findings is looked at again until it was quiet for `quiet_after` µs (longer
    than any transaction may live), so that a success in flight during a review is found.
    """

    def __init__(self, store: PartitionStore, engine: Engine, clock: Clock, quiet_after: int) -> None:
        self.store, self.engine, self.clock, self.quiet_after = store, engine, clock, quiet_after
        self._kinds = frozenset(kind for detector in engine.sources for kind in detector.kinds)

    def make(self, partition: Partition, rows: list[QueueRow]) -> ReviewBatch:
        """Review every source in `rows` (all of this partition's owner)."""
        touched = _ranges(rows)
        tenants = self.store.tenants({key[0] for key in touched})
        slots = {key: slots_of(touch) for key, touch in touched.items() if self._has_detectors(key)}
        loaded = self.store.united_buckets(
            {key: _span(touch, slots.get(key)) for key, touch in touched.items()}
        )
        views = self.store.views(dict.fromkeys(touched, True))
        stored = self.store.findings({key: (found[0], found[-1]) for key, found in slots.items()})
        batch = ReviewBatch(partition.claim, rows, {}, [], [], [], {})
        for key in touched:
            shares = loaded.get(key, {})
            view = batch.views[key] = views.get(key) or SourceView({})
            _refresh(view, shares)
            if key in slots:
                source = _SourceReview(self, batch, key, tenants[key[0]], shares, view)
                source.run(slots[key], stored.get(key, []))
        self._look_again(batch, rows, touched)
        return batch

    def _has_detectors(self, key: SourceKey) -> bool:
        """Whether findings are looked for: an IPv4 prefix only has a view, for its addresses are reviewed."""
        kind, value = key[1], key[2]
        return kind in self._kinds and (kind != "prefix" or ":" in value)

    def _look_again(
        self, batch: ReviewBatch, rows: list[QueueRow], touched: Mapping[SourceKey, Touch]
    ) -> None:
        now = self.clock.now()
        attacked = [row for row in rows if batch.views[row.key].findings]
        changed = {row.key for row in attacked if row.part != AGAIN}
        for row in attacked:
            seen = now if row.key in changed else row.upto
            if now - seen < self.quiet_after:
                batch.again[row.key] = (touched[row.key], seen)


def _ranges(rows: Iterable[QueueRow]) -> dict[SourceKey, Touch]:
    touched: dict[SourceKey, Touch] = {}
    for row in rows:
        touch = touched.get(row.key)
        if touch is None:
            touched[row.key] = Touch(row.lo, row.hi)
        else:
            touch.lo, touch.hi = min(touch.lo, row.lo), max(touch.hi, row.hi)
    return touched


def slots_of(touch: Touch) -> list[int]:
    """The slots whose findings a changed range of buckets can alter: a window of at most a day may begin before it."""
    first = (touch.lo - DAY_BUCKETS) * BUCKET // SLOT
    last = touch.hi * BUCKET // SLOT
    return [slot * SLOT for slot in range(first, last + 1)]


def _span(touch: Touch, slots: list[int] | None) -> tuple[int, int]:
    """The buckets to read: what changed, for findings every window of every slot that can hold it."""
    if slots is None:
        return touch.lo, touch.hi
    return slots[0] // BUCKET, slots[-1] // BUCKET + 2 * _DAYS - 1


def _refresh(view: SourceView, shares: Mapping[int, Buckets]) -> None:
    for part, buckets in shares.items():
        share = view.shares.get(part)
        if share is None:
            share = view.shares[part] = Share()
        for index, bucket in buckets.items():
            share.put(index, slice_of(bucket))
        if len(share.slices) > 1 and min(share.slices) < (oldest := max(share.slices) - VIEW_SPAN):
            view.shares[part] = Share({i: s for i, s in share.slices.items() if i >= oldest})


class _SourceReview:
    """One source under review."""

    def __init__(
        self,
        reviewer: Reviewer,
        batch: ReviewBatch,
        key: SourceKey,
        tenant: Tenant,
        shares: Mapping[int, Buckets],
        view: SourceView,
    ) -> None:
        self.store, self.engine, self.clock = reviewer.store, reviewer.engine, reviewer.clock
        self.batch, self.key, self.tenant, self.view = batch, key, tenant, view
        self.buckets = subjects.unite(shares.values())
        self.search = Search(self.store, self.engine, tenant, key, self.buckets)

    def run(self, slots: list[int], findings: list[Anomaly]) -> None:
        """Reconcile every slot that the change can have altered."""
        stored: dict[int, dict[str, Anomaly]] = {slot: {} for slot in slots}
        for anomaly in findings:
            stored[anomaly.slot][anomaly.detector] = anomaly
        for slot in slots:
            failed: set[str] = set()
            found = self.search.find(slot, failed)
            self.batch.degraded += failed
            if found or stored[slot]:
                self._reconcile(slot, stored[slot], {f.detector: f for f in found}, failed)

    def _reconcile(
        self, slot: int, stored: Mapping[str, Anomaly], found: Mapping[str, Finding], failed: set[str]
    ) -> None:
        """What a detector that failed had found stays as it is."""
        tenant_id, policy = self.key[0], self.tenant.policy
        still_open: list[Anomaly] = []
        if found and self._lost_some(slot):
            # What is left of a slot can look like what the whole never was: nothing new is opened.
            found = {id: f for id, f in found.items() if id in stored and stored[id].state == "open"}
        for detector in sorted(stored.keys() | found.keys()):
            new = anomalies.of_finding(tenant_id, found[detector], policy) if detector in found else None
            old = stored.get(detector)
            merged = old if detector in failed else reconcile(old, new, self._support)
            if merged is None:
                continue
            if _changed(old, merged):
                merged = msgspec.structs.replace(merged, version=merged.version + 1)
                self.batch.anomalies.append(merged)
                self.batch.outgoing.append(announcement(merged))
            if merged.state == "open":
                still_open.append(merged)
        self._show(slot, still_open)

    def _lost_some(self, slot: int) -> bool:
        """Whether buckets of the slot's windows were deleted: they lie in its day and the next."""
        day = slot // DAY
        return day in self.view.lost or day + 1 in self.view.lost

    def _support(self, lo: int, hi: int) -> int:
        return sum(bucket.failures for index, bucket in self.buckets.items() if lo <= index <= hi)

    def _show(self, slot: int, found: list[Anomaly]) -> None:
        """Name the open findings in the view, and send the successes they cast doubt on to their users' owners."""
        policy = self.tenant.policy
        kept = [f for f in self.view.findings if f.slot != slot]
        shown = [_open_finding(a, policy) for a in found]
        self.view.findings = tuple(sorted(kept + shown, key=lambda f: (f.slot, f.detector))[-MAX_FINDINGS:])
        for anomaly, finding in zip(found, shown, strict=True):
            self._doubt(anomaly, finding)

    def _doubt(self, anomaly: Anomaly, finding: OpenFinding) -> None:
        if self.key[1] not in LOCATED:
            return
        successes = self.store.successes(self.key, finding.first, finding.until, MAX_SUCCESSES)
        fresh = [s for s in successes if not s.user_key.startswith("@ip:")]
        if not fresh:
            return
        doubted = self.store.doubted(self.key[0], anomaly.id)
        for success in fresh:
            if success.event_id not in doubted:
                self.batch.doubts.append((self.key[0], anomaly.id, success.event_id))
                self.batch.outgoing.append(self._control(anomaly, success))

    def _control(self, anomaly: Anomaly, success: Success) -> Outgoing:
        evidence = {
            **anomaly.evidence,
            "detector": anomaly.detector,
            "subject": anomaly.subject,
            "subject_kind": anomaly.subject_kind,
            "first": anomaly.first_seen,
            "last": anomaly.last_seen,
        }
        control = ControlRecord(
            id=f"doubt-{anomaly.id}-{success.event_id}",
            tenant_id=self.key[0],
            user_key=success.user_key,
            kind="doubt",
            time=success.time,
            event_id=success.event_id,
            event_time=success.time,
            finding=anomaly.id,
            evidence=msgspec.json.encode(evidence),
            received=self.clock.now(),
        )
        return Outgoing(self.key[0], LOGINS, control.key, records.encode(control))


class Search:
    """Looks for findings on one source, slot by slot."""

    def __init__(
        self, store: PartitionStore, engine: Engine, tenant: Tenant, key: SourceKey, buckets: Buckets
    ) -> None:
        self._store, self._engine, self._tenant, self._key = store, engine, tenant, key
        self._buckets = buckets
        self._within: Buckets = {}
        self._candidates: list[Finding] = []
        self._failed: set[str] = set()

    def find(self, slot: int, failed: set[str]) -> list[Finding]:
        """All findings in a slot; a detector that fails is added to `failed`. Who also got in from there explains a
        few failures of their own; only where there is something to explain are they read.
        """
        first = slot // BUCKET
        within = {i: b for i, b in self._buckets.items() if first <= i < first + 2 * _DAYS}
        if not within:
            return []
        if within.keys() != self._within.keys():  # most sources failed on one day, which two slots look at
            self._within, self._failed = within, set()
            self._candidates = self._review(within, frozenset(), self._failed)
        failed |= self._failed
        candidates = [f for f in self._candidates if f.slot == slot]
        policy = self._tenant.policy
        if not candidates or self._key[1] not in LOCATED:
            return candidates
        since, until = slot - policy.explained_before, slot + EXPLAINED_AFTER
        users = self._store.succeeding_users(self._key, since, until, MAX_SUCCESSES)
        if not users:
            return candidates
        explained = frozenset(keyed_hash(self._tenant.salt, user) for user in users)
        return [f for f in self._review(within, explained, failed) if f.slot == slot]

    def _review(self, buckets: Buckets, explained: frozenset[int], failed: set[str]) -> list[Finding]:
        subject = (self._key[1], self._key[2])
        return self._engine.review(subject, buckets, explained, self._tenant.policy, failed)


def reconcile(
    stored: Anomaly | None, new: Anomaly | None, support: Callable[[int, int], int]
) -> Anomaly | None:
    """What becomes of a stored finding (its version not yet raised); None where there is nothing to store."""
    if stored is None:
        return new
    if stored.frozen or (stored.state == "open" and support(stored.lo, stored.hi) < stored.support):
        return _raise(stored, new)
    if new is None:
        return msgspec.structs.replace(stored, state="withdrawn")
    return msgspec.structs.replace(new, version=stored.version)


def _changed(stored: Anomaly | None, merged: Anomaly) -> bool:
    return stored is None or anomalies.encode(stored) != anomalies.encode(merged)


def _raise(stored: Anomaly, new: Anomaly | None) -> Anomaly:
    # What is left can score higher than the whole and hold less: it replaces a finding only where it is nowhere lower.
    if new is None or new.score < stored.score or new.support < stored.support:
        return msgspec.structs.replace(stored, frozen=True)
    return msgspec.structs.replace(
        new, frozen=True, first_seen=min(stored.first_seen, new.first_seen), version=stored.version
    )


def _open_finding(anomaly: Anomaly, policy: Policy) -> OpenFinding:
    settings = getattr(policy, anomaly.detector, None)
    window: int = getattr(settings, "window", HOUR)
    return OpenFinding(
        anomaly.id,
        anomaly.detector,
        anomaly.slot,
        anomaly.slot - policy.explained_before,
        anomaly.first_seen,
        anomaly.last_seen + window,
    )
