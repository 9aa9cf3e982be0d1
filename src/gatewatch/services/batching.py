"""One batch of a partition: what was read becomes what one transaction stores.

Nothing is written here. Where anything fails the partition's caches are dropped with the batch, and it is done again.
"""

from collections.abc import Iterable, Sequence
from math import log2
from typing import NamedTuple

import msgspec

from gatewatch import metrics
from gatewatch.core import anomalies, attributes, events, learning, records, signals, sources
from gatewatch.core import context as contexts
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.assessing import Asked
from gatewatch.core.context import NO_FREQUENCIES, Context
from gatewatch.core.detection import StoredLogin
from gatewatch.core.events import LoginEvent
from gatewatch.core.learning import Change
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlRecord, EventRecord, Record, RejectRecord
from gatewatch.core.signals import Assessment
from gatewatch.core.times import DAY
from gatewatch.ports import (
    ANOMALIES,
    DEAD_LETTERS,
    LOGINS,
    Batch,
    Conflict,
    ControlRow,
    DeadLetter,
    EventRow,
    LogRecord,
    Outgoing,
    SourceKey,
    Tally,
    Tenant,
    TenantKey,
    Touch,
)
from gatewatch.services.announcing import dead_letter
from gatewatch.services.decoding import decode, lies_elsewhere, refusal, too_old
from gatewatch.services.means import Means
from gatewatch.services.partition import Partition
from gatewatch.services.surroundings import REVIEWED, Origin, Surroundings
from gatewatch.services.user_state import UserState

#: A user's risk halves in this time (µs).
RISK_HALF_LIFE = 7 * DAY


class Arrived(NamedTuple):
    """An event of the batch as it was read and enriched, where it comes from, its own key and its user's."""

    offset: int
    record: EventRecord
    event: LoginEvent
    origin: Origin
    key: TenantKey
    user: TenantKey


class Other(NamedTuple):
    """A record of the batch that is no event."""

    offset: int
    record: ControlRecord | RejectRecord


class Work:
    """One batch in the making."""

    def __init__(self, means: Means, partition: Partition, owned: Iterable[Partition], batch: Batch) -> None:
        self.partition, self.batch = partition, batch
        self.store, self.engine, self.enrich, self.foreign = (
            means.store,
            means.engine,
            means.enrich,
            means.foreign,
        )
        self.pack = means.store.pack
        self.retention, self.elsewhere = means.retention, means.elsewhere
        self.received = batch.now
        self.surroundings = Surroundings(partition, owned)
        self.tenants: dict[str, Tenant] = {}
        self.asked: dict[str, Asked] = {}
        self.hits: dict[TenantKey, list[Anomaly]] = {}
        self.stored: dict[TenantKey, bytes] = {}
        self.controls: set[TenantKey] = set()
        self.logins: dict[TenantKey, StoredLogin] = {}
        self.judged: set[TenantKey] = set()
        self.unasked = Tally()
        self.left: dict[TenantKey, int] = {}  # how many records of a user are still to come

    # Before: what is it, does it belong here, what must be known ---------------------------------------------------

    def sort_out(self, found: Sequence[LogRecord], refused: int | None) -> list[Arrived | Other]:
        """Decode and enrich; what lies on the wrong partition is sent on through the outbox under its own id."""
        here: list[Arrived | Other] = []
        claim = self.batch.claim
        for item in found:
            record = decode(item, claim, self.received, self.foreign)
            if item.offset == refused:
                here.append(Other(item.offset, refusal(item, record, claim)))
            elif isinstance(record, EventRecord):
                event = record.event
                user = (event.tenant_id, event.user_key)
                # the key is `record.key`, which would work out the user once more
                if lies_elsewhere(key := f"{user[0]}:{user[1]}", claim):
                    self._send_on(key, record)
                else:
                    here.append(self._arrived(item.offset, record, user))
            elif isinstance(record, ControlRecord) and lies_elsewhere(record.key, claim):
                self._send_on(record.key, record)
            else:  # what cannot be read has no key to go by: it is stored where it lies
                here.append(Other(item.offset, record))
        return here

    def _send_on(self, key: str, record: EventRecord | ControlRecord) -> None:
        self.batch.outgoing.append(Outgoing(record.tenant_id, LOGINS, key, records.encode(record)))

    def _arrived(self, offset: int, record: EventRecord, user: TenantKey) -> Arrived:
        event = self.enrich(record.event)
        key = (user[0], event.event_id)
        return Arrived(offset, record, event, self.surroundings.origin(event), key, user)

    def prepare(self, here: list[Arrived | Other]) -> None:
        """Load all state the batch touches, in bulk, and what of it is stored already."""
        times: dict[TenantKey, int | None] = {}
        left = self.left
        tenants: set[str] = set()
        others: list[Record] = []
        for item in here:
            if isinstance(item, Arrived):
                times[item.key] = None if item.record.time_by_arrival else item.event.time
                left[item.user] = left.get(item.user, 0) + 1
                tenants.add(item.user[0])
            else:
                others.append(item.record)
        tenants |= {record.tenant_id for record in others}
        self.tenants = self.store.tenants(tenants)
        self.asked = {id: self.engine.asked(tenant.policy) for id, tenant in self.tenants.items()}
        self.stored = self.store.stored_events(times)
        controls = [record for record in others if isinstance(record, ControlRecord)]
        self._prepare_controls(controls)
        for control in controls:
            user = (control.tenant_id, control.user_key)
            left[user] = left.get(user, 0) + 1
        self.partition.load_users([key for key in left if not key[1].startswith("@ip:")], self.store)
        self._prepare_sources()

    def _prepare_controls(self, found: list[ControlRecord]) -> None:
        if found:
            self.controls = self.store.stored_controls([(c.tenant_id, c.id) for c in found])
            about = {(c.tenant_id, c.event_id): c.event_time for c in found if c.event_id}
            self.logins = self.store.logins(about)
            self.judged = about.keys() - self.logins.keys()

    def _prepare_sources(self) -> None:
        surroundings, cache = self.surroundings, self.partition.sources
        needs = surroundings.ranges()
        missing = cache.missing(needs)
        metrics.count_lookups("sources", len(needs), len(missing))
        if missing:
            cache.take(self.store.buckets(self.batch.claim.part, missing), missing)
        surroundings.settle(self.store.views(surroundings.wanted()))

    # During: one record at a time, in the order of the log ---------------------------------------------------------

    def do(self, item: Arrived | Other) -> None:
        """Process one record."""
        if isinstance(item, Arrived):
            self._event(item)
            self._part_with(item.user)
        elif isinstance(item.record, ControlRecord):
            self._control(item.offset, item.record)
            self._part_with((item.record.tenant_id, item.record.user_key))
        else:
            self._dead(item.offset, item.record)

    def _part_with(self, user: TenantKey) -> None:
        """Pack a user with the last of their records, and let go of the profile: now it is in the cache, and what comes
        next takes its memory. Packed at the end of the batch it would have to come from all over memory once more.
        """
        left = self.left[user] = self.left[user] - 1
        if not left:
            row = self.partition.part_with(user)
            if row is not None:
                self.batch.users[user] = row

    def _dead(self, offset: int, record: RejectRecord) -> None:
        self.batch.dead.append(DeadLetter(offset, record))
        if self.elsewhere:
            value = dead_letter(record, self.batch.claim, offset)
            self.batch.outgoing.append(Outgoing(record.tenant_id, DEAD_LETTERS, record.key, value))
        self._tally(record).dead_letters += 1

    def _tally(self, record: Record) -> Tally:
        if not record.origin:
            return self.unasked
        return self.batch.tallies.setdefault((record.tenant_id, record.origin), Tally())

    def _event(self, item: Arrived) -> None:
        record = item.record
        digest = self.stored.get(item.key)
        if digest is not None:
            self._repeat(record, digest)
            return
        if self.retention and item.event.time < record.received - self.retention:
            self._dead(item.offset, too_old(record))
            return
        self.stored[item.key] = record.digest
        self._assess(item)
        self._tally(record).events += 1

    def _repeat(self, record: EventRecord, digest: bytes) -> None:
        if digest == record.digest:
            self.batch.repeats += 1
            self._tally(record).duplicates += 1
        else:
            self.batch.conflicts.append(Conflict(record))
            self._tally(record).conflicts += 1

    def _assess(self, item: Arrived) -> None:
        offset, record, event, origin, key, user = item
        tenant = self.tenants[event.tenant_id]
        values = attributes.values_of(event)
        frequencies, known = None, NO_FREQUENCIES
        if event.is_success:
            frequencies = self.partition.frequencies(event.tenant_id, self.store)
            known = frequencies.of(values)
        context = origin.context(event.time, tenant.policy.revision, known)
        state = self.partition.user(user)
        profile = state.profile if state is not None else None
        asked = self.asked[event.tenant_id]
        assessment, change = self.engine.step(profile, event, context, tenant.policy, values, asked)
        row = event_row(offset, record, event, user[1], context, assessment, change)
        self.batch.events.append(self.pack(row))
        self.batch.degraded += assessment.degraded
        self._learn(user, state, event, assessment, change)
        if frequencies is not None:
            self._touch_attacked(origin, event.time)
            if not change.held:
                frequencies.count(values)
        elif event.is_attack_failure:
            self.surroundings.count(event, tenant.salt)
        if assessment.signals:
            for hit in anomalies.hits_of(event, assessment, tenant.policy):
                self.hits.setdefault((hit.tenant_id, hit.id), []).append(hit)
        if key in self.judged:
            detectors = tuple(signal.detector for signal in assessment.signals)
            self.logins[key] = StoredLogin(event, change.weight, detectors)

    def _learn(
        self,
        user: TenantKey,
        state: UserState | None,
        event: LoginEvent,
        assessment: Assessment,
        change: Change,
    ) -> None:
        if change.op == "none":
            return
        if state is None:
            state = self.partition.users[user] = UserState(Profile())
        learning.apply(state.profile, change)
        see(state, event, assessment)
        state.changed = True

    def _touch_attacked(self, origin: Origin, time: int) -> None:
        """A success from a source with an open finding: it may explain the finding, or be what it led to."""
        for seen in (origin.ip, origin.prefix):
            if seen is not None and seen.findings:
                for finding in seen.findings_on(time):
                    lo = finding.slot // sources.BUCKET
                    self._touch(seen.key, lo, lo + sources.DAY_BUCKETS - 1)

    def _touch(self, key: SourceKey, lo: int, hi: int) -> None:
        touch = self.batch.touched.setdefault(key, Touch(lo, hi))
        touch.lo, touch.hi = min(touch.lo, lo), max(touch.hi, hi)

    def _control(self, offset: int, control: ControlRecord) -> None:
        key = (control.tenant_id, control.id)
        if key in self.controls:
            self.batch.repeats += 1
            self._tally(control).duplicates += 1
            return
        self.controls.add(key)
        login = self.logins.get((control.tenant_id, control.event_id))
        policy = self.tenants[control.tenant_id].policy
        user = (control.tenant_id, control.user_key)
        state = self.partition.user(user) or UserState(Profile())
        assessment, change = self.engine.judge(state.profile, control, login, policy)
        if change.op != "none":
            self.partition.users[user] = state
            learning.apply(state.profile, change)
            state.changed = True
        if assessment is not None and login is not None:
            for hit in anomalies.hits_of(login.event, assessment, policy):
                if hit.detector not in login.detectors:
                    self.hits.setdefault((hit.tenant_id, hit.id), []).append(hit)
        row = ControlRow(
            offset, control, records.encode(control), policy.revision, login is not None, assessment
        )
        self.batch.controls.append(row)
        self._tally(control).controls += 1

    # After: what follows from all of it ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Collect state that changed, merge hits into stored anomalies, and put every new version into the outbox."""
        batch = self.batch
        batch.buckets, touched = self.partition.sources.take_dirty()
        for key, touch in touched.items():
            if key[1] in REVIEWED:
                self._touch(key, touch.lo, touch.hi)
        batch.counts, batch.sketches = self.partition.take_dirty_frequencies()
        if self.hits:
            stored = self.store.anomalies(list(self.hits))
            for id, hits in sorted(self.hits.items()):
                self._publish(merge(stored.get(id), hits))

    def _publish(self, anomaly: Anomaly) -> None:
        self.batch.anomalies.append(anomaly)
        self.batch.outgoing.append(announcement(anomaly))


def event_row(
    offset: int,
    record: EventRecord,
    event: LoginEvent,
    user_key: str,
    context: Context,
    assessment: Assessment,
    change: Change,
) -> EventRow:
    """An event and what became of it, as they are stored; `record` is as it was read, `event` enriched."""
    row = (
        event.tenant_id,
        event.event_id,
        event.time,
        record.received,
        event.source,
        event.activity,
        event.outcome,
        event.reason_class,
        user_key,
        event.ip or None,
        event.asn.number if event.asn is not None else None,
        event.geo.country if event.geo is not None else None,
        assessment.score,
        assessment.level,
        [signal.detector for signal in assessment.signals],
        change.late,
        change.weight,
        change.held,
        offset,
        record.digest,
        contexts.encode(context),
        events.encode(event),
        signals.encode(assessment).decode(),
        record.raw,
    )
    return tuple.__new__(EventRow, row)  # what `EventRow(*row)` does by way of interpreted code


def merge(stored: Anomaly | None, hits: list[Anomaly]) -> Anomaly:
    """The next version of an anomaly."""
    merged = anomalies.merge(hits if stored is None else [stored, *hits])
    return msgspec.structs.replace(merged, version=merged.version + 1)


def announcement(anomaly: Anomaly) -> Outgoing:
    """The outbox message of an anomaly's version, keyed by its subject."""
    key = f"{anomaly.tenant_id}:{anomaly.subject_kind}:{anomaly.subject}"
    return Outgoing(anomaly.tenant_id, ANOMALIES, key, anomalies.encode(anomaly))


def see(state: UserState, event: LoginEvent, assessment: Assessment) -> None:
    """What stands beside a profile in plain columns: the newest name and id, last seen, the highest decayed risk."""
    if event.time >= state.last_seen:
        state.last_seen = event.time
        state.name = event.user.name or state.name
        state.user_id = event.user.id or state.user_id
    if assessment.score > 0:
        state.risk = max(state.risk, log2(assessment.score) + event.time / RISK_HALF_LIFE)
