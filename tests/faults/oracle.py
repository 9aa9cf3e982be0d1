"""What must be: a single-threaded replay of what is stored, in memory, with the stored contexts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gatewatch.core import anomalies, attributes, learning, signals, sources, subjects
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.detection import StoredLogin
from gatewatch.core.engine import Engine
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.sources import Buckets
from gatewatch.ports import SourceKey, TenantKey
from gatewatch.services.batching import see
from gatewatch.services.frequencies import TenantFrequencies
from gatewatch.services.user_state import UserState
from tests.faults.stored import BucketRow, Stored, StoredControl, StoredEvent

Processed = StoredEvent | StoredControl
Policies = dict[tuple[str, int], Policy]


class Replayed(NamedTuple):
    """One user's replay: the state it ends with, the hits on anomalies, and where it differs from what is stored."""

    state: UserState | None
    hits: list[Anomaly]
    differences: list[str]


def by_user(stored: Stored) -> dict[TenantKey, list[Processed]]:
    """What was processed of each user, in the order of processing."""
    found: dict[TenantKey, list[Processed]] = defaultdict(list)
    for event in stored.events:
        found[event.event.tenant_id, event.user_key].append(event)
    for control in stored.controls:
        found[control.control.tenant_id, control.user_key].append(control)
    for rows in found.values():
        rows.sort(key=lambda row: row.place)
    return found


class Replay:
    """Replays users with an engine; logins are those a control record is about."""

    def __init__(self, engine: Engine, stored: Stored) -> None:
        self._engine, self._policies = engine, stored.policies
        self._logins = {row.key: row for row in stored.events}

    def user(self, rows: Iterable[Processed]) -> Replayed:
        """Replay one user's rows, in their order."""
        user = _User(self._engine, self._policies)
        for row in rows:
            if isinstance(row, StoredEvent):
                user.event(row)
            else:
                login = self._logins.get((row.control.tenant_id, row.control.event_id))
                user.control(row, login)
        return Replayed(user.state, user.hits, user.differences)


class _User:
    def __init__(self, engine: Engine, policies: Policies) -> None:
        self.engine, self.policies = engine, policies
        self.state: UserState | None = None
        self.hits: list[Anomaly] = []
        self.differences: list[str] = []

    def event(self, row: StoredEvent) -> None:
        event = row.event
        policy = self.policies[event.tenant_id, row.context.policy]
        profile = self.state.profile if self.state is not None else None
        assessment, change = self.engine.step(profile, event, row.context, policy)
        self._same(
            f"assessment of {row.key} at {row.place}", row.assessment, signals.encode(assessment).decode()
        )
        facts = (row.late, row.weight, row.held, row.detectors)
        named = tuple(signal.detector for signal in assessment.signals)
        self._same(
            f"facts of {row.key} at {row.place}", facts, (change.late, change.weight, change.held, named)
        )
        if change.op != "none":
            if self.state is None:
                self.state = UserState(Profile())
            learning.apply(self.state.profile, change)
            see(self.state, event, assessment)
        self.hits += anomalies.hits_of(event, assessment, policy)

    def control(self, row: StoredControl, stored: StoredEvent | None) -> None:
        control = row.control
        policy = self.policies[control.tenant_id, row.policy]
        before = stored is not None and stored.place < row.place
        self._same(f"login known to control {control.id} at {row.place}", row.known, before)
        login = _login(stored) if row.known and stored is not None else None
        state = self.state or UserState(Profile())
        assessment, change = self.engine.judge(state.profile, control, login, policy)
        encoded = signals.encode(assessment).decode() if assessment is not None else None
        self._same(f"assessment of control {control.id} at {row.place}", row.assessment, encoded)
        if change.op != "none":
            self.state = state
            learning.apply(state.profile, change)
        if assessment is not None and login is not None:
            hits = anomalies.hits_of(login.event, assessment, policy)
            self.hits += [hit for hit in hits if hit.detector not in login.detectors]

    def _same(self, what: str, stored: object, replayed: object) -> None:
        if stored != replayed:
            self.differences.append(f"{what}: stored {stored!r}, replayed {replayed!r}")


def _login(stored: StoredEvent) -> StoredLogin:
    return StoredLogin(stored.event, stored.weight, stored.detectors)


def rebuilt_buckets(stored: Stored) -> dict[BucketRow, sources.Bucket]:
    """Every source bucket of every partition, from all stored attack failures."""
    shares: dict[tuple[SourceKey, int], Buckets] = defaultdict(dict)
    for row in stored.events:
        event = row.event
        if event.is_attack_failure:
            for kind, value in subjects.subjects_of(event):
                share = shares[(event.tenant_id, kind, value), row.place[1]]
                subjects.count_failure(share, event, stored.salts[event.tenant_id])
    return {
        (key, part, index): bucket for (key, part), share in shares.items() for index, bucket in share.items()
    }


def united(rebuilt: dict[BucketRow, sources.Bucket]) -> dict[SourceKey, Buckets]:
    """The buckets of each source over all partitions."""
    shares: dict[SourceKey, dict[int, Buckets]] = defaultdict(lambda: defaultdict(dict))
    for (key, part, index), bucket in rebuilt.items():
        shares[key][part][index] = bucket
    return {key: subjects.unite(by_part.values()) for key, by_part in shares.items()}


def counted(stored: Stored) -> dict[str, TenantFrequencies]:
    """What each tenant's successful logins that were not held count up to."""
    found: dict[str, TenantFrequencies] = defaultdict(TenantFrequencies)
    for row in stored.events:
        if row.event.is_success and not row.held:
            found[row.event.tenant_id].count(attributes.values_of(row.event))
    return found


def merged(hits: Iterable[Anomaly]) -> Iterator[Anomaly]:
    """One anomaly per id, of hits in the order of processing."""
    by_id: dict[TenantKey, list[Anomaly]] = defaultdict(list)
    for hit in hits:
        by_id[hit.tenant_id, hit.id].append(hit)
    return (anomalies.merge(found) for found in by_id.values())
