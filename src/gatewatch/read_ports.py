"""What people's use cases need from the world (the pipeline's own needs are in `ports`), as Protocols and values.

Everything here is seen by one tenant: the store sets it for each transaction and the database holds the rows apart.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec

from gatewatch.core.anomalies import Anomaly
from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlRecord, EventRecord
from gatewatch.core.signals import Assessment
from gatewatch.core.sources import Buckets
from gatewatch.health_ports import HealthStore
from gatewatch.ports import Unavailable


class NotPrepared(Exception):
    """The database has no tables of Gatewatch's yet (`gatewatch migrate` makes them)."""


class TooCostly(Unavailable):
    """A question took longer to answer than one may."""


class Landed(msgspec.Struct, frozen=True):
    """What became of an import's records so far."""

    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    controls: int = 0

    @property
    def total(self) -> int:
        """All records that were processed."""
        return self.events + self.duplicates + self.conflicts + self.dead_letters + self.controls


class ImportStore(Protocol):
    """How far the pipeline has come. All raise `ports.Unavailable`."""

    def log_ends(self) -> dict[int, int]:
        """Where each partition of the log ends now."""
        ...

    def unread(self, ends: Mapping[int, int]) -> int:
        """How many records before these ends no detector has processed yet."""
        ...

    def outbox_ends(self) -> dict[int, int]:
        """Where each partition's outbox ends now."""
        ...

    def unrelayed(self, ends: Mapping[int, int]) -> int:
        """How many messages before these ends were not relayed yet."""
        ...

    def now(self) -> datetime:
        """The database's own time."""
        ...

    def due_reviews(self, since: datetime) -> int:
        """How many of the tenant's sources wait for a review and had none begun after `since`."""
        ...

    def landed(self, origin: str) -> Landed:
        """What became of an import's records."""
        ...

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        ...


#: What people say of an anomaly; one that nobody looked at is new.
Status = Literal["new", "in_progress", "suppressed", "resolved"]


class Said(NamedTuple):
    """A status with its revision, the anomaly's hits at the time, and who said so when; `name` is the account's, where
    it was asked for.
    """

    status: Status
    revision: int
    hits: int
    changed_at: datetime
    changed_by: str
    name: str = ""


class StatusChange(msgspec.Struct, frozen=True):
    """A status that somebody wants an anomaly to have, if it is still at a revision (0: nobody ever said anything)."""

    id: str
    status: Status
    revision: int


class StatusAnswer(NamedTuple):
    """What became of a change: done; or another was first, whose status is told; or there is no such anomaly."""

    id: str
    outcome: Literal["changed", "conflict", "unknown"]
    said: Said


class StatusStore(Protocol):
    """What people say of one tenant's anomalies. All raise `ports.Unavailable`."""

    def change(self, changes: Sequence[StatusChange], by: str) -> list[StatusAnswer]:
        """Change at most 500 statuses and publish what changed, in one transaction; answers in the order given."""
        ...

    def history(self, id: str) -> list[Said]:
        """What was said of an anomaly, the latest first."""
        ...


class AnomalyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which anomalies; None does not filter. Times are of the last hit; `id` may be the beginning of one."""

    since: datetime | None = None
    until: datetime | None = None
    detector: str | None = None
    severities: list[str] | None = None
    subject_kind: str | None = None
    subject: str | None = None
    state: str | None = None
    statuses: list[Status] | None = None
    event_id: str | None = None
    id: str | None = None


class Position(NamedTuple):
    """Where a page ended: the sort key of its last row (a time in µs, or a risk), and its id, which breaks ties."""

    key: int | float
    id: str


class StoredAnomaly(msgspec.Struct, frozen=True):
    """An anomaly with when it was first and last written, and what people said of it, if anything."""

    anomaly: Anomaly
    opened_at: datetime
    updated_at: datetime
    said: Said | None = None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; None does not filter. `network` is an address or a prefix."""

    since: datetime | None = None
    until: datetime | None = None
    event_id: str | None = None
    user: str | None = None
    network: str | None = None
    asn: int | None = None
    country: str | None = None
    outcome: str | None = None
    detector: str | None = None
    min_score: int | None = None


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which users, by when they were seen last, and in which order (the riskiest or the latest first)."""

    since: datetime | None = None
    until: datetime | None = None
    sort: Literal["risk", "last_seen"] = "risk"


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters, by when they were received; None does not filter."""

    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as it was stored."""

    event: LoginEvent
    assessment: Assessment
    context: Context
    received_at: datetime
    stored_at: datetime
    late: bool
    weight: int
    held: bool
    place: tuple[int, int, int]


class StoredProfile(msgspec.Struct, frozen=True):
    """A user's row. `risk` is the time-independent sort key (see `services.batches.see`)."""

    user_key: str
    profile: Profile
    name: str
    user_id: str
    last_seen: datetime
    risk: float


class StoredControl(msgspec.Struct, frozen=True):
    """A control record and what it led to."""

    control: ControlRecord
    assessment: Assessment | None
    processed_at: datetime


class Told(NamedTuple):
    """What was reported of a login after its decision, "" for nothing yet."""

    login: str = ""
    challenge: str = ""


class StoredDecision(msgspec.Struct, frozen=True):
    """A decision as it is kept: the event as it was asked about, the bytes that were answered."""

    id: str
    record: EventRecord
    answer: bytes
    decided_at: datetime
    told: Told


class Tried(msgspec.Struct, frozen=True):
    """A user as seen from a source: tries that failed and that worked, and the last of them."""

    user: str
    failures: int
    successes: int
    last: datetime


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """What could not be processed, and why."""

    id: str
    source: str
    reason: str
    detail: str
    raw: bytes
    size: int
    received_at: datetime


class Pulse(msgspec.Struct, frozen=True):
    """The whole system at a moment: cheap to ask for, so that a live view can."""

    processed: int
    lag: dict[int, int]
    members: int
    review_queue: int
    outbox: int
    server: str


class Backlog(msgspec.Struct, frozen=True):
    """A part of what waits for somebody: open anomalies of a severity and status."""

    severity: str
    status: Status
    count: int


class Totals(msgspec.Struct, frozen=True):
    """A tenant's totals: not cheap on a large database."""

    events: int
    users: int
    dead_letters: int
    anomalies: dict[str, dict[str, int]]


#: What top lists can be of, and what they can be ranked by.
TopKind = Literal["user", "ip", "asn", "country", "detector"]
Ranking = Literal["events", "failures", "signalled"]


class Activity(NamedTuple):
    """What happened in a stretch of time: events by their time, anomalies by their first hit."""

    start: datetime
    events: int = 0
    successes: int = 0
    failures: int = 0
    signalled: int = 0
    anomalies: int = 0


class Top(NamedTuple):
    """How often a value came. Of users only events with a signal are counted, of addresses also those that failed."""

    value: str
    events: int
    failures: int
    signalled: int


class QueryStore(HealthStore, Protocol):
    """What there is to see of one tenant. All raise `ports.Unavailable`; none of them changes anything."""

    def anomalies(
        self, wanted: AnomalyFilter, limit: int, after: Position | None = None
    ) -> list[StoredAnomaly]:
        """Anomalies, the one with the latest hit first, from behind a position."""
        ...

    def events(self, wanted: EventFilter, limit: int, after: Position | None = None) -> list[StoredEvent]:
        """Events, the latest first, from behind a position."""
        ...

    def users(self, wanted: UserFilter, limit: int, after: Position | None = None) -> list[StoredProfile]:
        """Users in the order asked for, from behind a position."""
        ...

    def profile(self, user_key: str) -> StoredProfile | None:
        """A user's row."""
        ...

    def controls(self, user_key: str) -> list[StoredControl]:
        """A user's control records in the order of processing."""
        ...

    def decision(self, id: str) -> StoredDecision | None:
        """A decision that was answered."""
        ...

    def buckets(self, kind: str, value: str) -> Buckets:
        """A source's failures by bucket, over all partitions."""
        ...

    def tried(self, source: EventFilter, limit: int, most: int) -> tuple[list[Tried], datetime | None]:
        """Users tried from a source, most failures first, in its `most` latest events; since when, if not in all."""
        ...

    def dead_letters(
        self, wanted: DeadLetterFilter, limit: int, after: Position | None = None
    ) -> list[StoredDeadLetter]:
        """Dead letters, the latest first, from behind a position."""
        ...

    def activity(self, since: datetime, until: datetime, step: timedelta) -> list[Activity]:
        """Stretches of the length `step` (of ten minutes or a multiple) in which something happened, in order."""
        ...

    def activity_of(self, source: EventFilter, step: timedelta) -> list[Activity]:
        """Stretches in which a source was seen, in order, without signals and anomalies; of asn, country by hours."""
        ...

    def top(self, kind: TopKind, since: datetime, until: datetime, by: Ranking, limit: int) -> list[Top]:
        """The values that came most often in whole hours, by a number that is above 0."""
        ...

    def pulse(self) -> Pulse:
        """How the system is doing."""
        ...

    def backlog(self, since: datetime, until: datetime, most: int) -> list[Backlog]:
        """Open anomalies by severity and status, of the `most` that were hit last in a range."""
        ...

    def totals(self) -> Totals:
        """Counts of everything."""
        ...

    def latency(self, since: datetime) -> float | None:
        """The median of arrival to stored (s) of events received since then; None without any."""
        ...

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        ...


class PolicyStore(Protocol):
    """Where policies are kept, revision by revision."""

    def put(self, policy: Policy, by: str) -> Policy:
        """Store a policy as the next revision, and queue every source that may have findings for review, in one
        transaction; returns it with its revision.
        """
        ...
