"""What the use cases need from the world, as Protocols, and the values that pass through them.

Errors: `Unavailable` means wait and try again; `Fenced` means somebody else owns the partition now; `BadData` means
that the batch holds a value which the store refuses. Anything else is a mistake and stops the process.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from gatewatch.core.anomalies import Anomaly
from gatewatch.core.detection import StoredLogin
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import Policy
from gatewatch.core.records import ControlRecord, EventRecord, RejectRecord
from gatewatch.core.shares import Share
from gatewatch.core.signals import Assessment
from gatewatch.core.sources import Buckets
from gatewatch.core.times import MINUTE

LOGINS = "gatewatch.logins"
ANOMALIES = "gatewatch.anomalies"
#: What people said of anomalies; the database's own function names it too.
STATUSES = "gatewatch.statuses"
#: What could not be processed, for whoever wants to mend it and send it again.
DEAD_LETTERS = "gatewatch.logins.dead-letter"
#: The partitions of the embedded log unless it was created with another number.
DEFAULT_PARTITIONS = 8

TenantKey = tuple[str, str]
SourceKey = tuple[str, str, str]
BucketKey = tuple[str, str, str, int]


class Unavailable(Exception):
    """The store or the log cannot be reached just now, or gave a batch up (deadlock): wait and try again."""


class Fenced(Exception):
    """The partition has another owner, epoch or offset by now: drop what is cached and claim again."""


class BadData(Exception):
    """The store refuses a value of the batch (SQLSTATE class 22, 23 or 54): halve it until the record stands alone."""


class StaleRoute(Exception):
    """The topic was grown since its partition count was read: read it and route again."""


class Clock(Protocol):
    """Wall-clock time in µs since the epoch, for arrival only; event time never comes from here."""

    def now(self) -> int:
        """The present."""
        ...


class Enrich(Protocol):
    """Adds place, network and client to an event; what the source gave is kept."""

    def __call__(self, event: LoginEvent) -> LoginEvent:
        """The event with what could be found out."""
        ...


class LogRecord(NamedTuple):
    """A record as read from the log; `trace` is the one that it carries (see `tracing_ports`), where that is read."""

    offset: int
    key: str
    value: bytes
    trace: str = ""


class LogWriter(Protocol):
    """Appends to a topic; what it returned from is durable."""

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) pairs, each to the partition of its key. Raises `Unavailable`; then nothing is promised,
        and the caller sends all of them again (a repeat changes nothing).
        """
        ...


class Claim(msgspec.Struct, frozen=True):
    """The right to process a partition: `epoch` and `owner` fence, offsets say where it stands."""

    topic: str
    part: int
    epoch: int
    owner: str
    next_offset: int
    out_seq: int
    generation: int
    partitions: int


class UserRow(NamedTuple):
    """A user as stored: the profile is its bytes."""

    profile: bytes
    name: str
    user_id: str
    last_seen: int
    risk: float
    has_history: bool


class OpenFinding(msgspec.Struct, array_like=True, frozen=True):
    """A finding that is open on a source: successes from `since` explain it, those in [first, until] are doubted."""

    id: str
    detector: str
    slot: int
    since: int
    first: int
    until: int


class SourceView(msgspec.Struct):
    """A source over all partitions, each one's share apart, the findings open on it, and the days (since 1970) of
    which buckets were deleted.
    """

    shares: dict[int, Share]
    findings: tuple[OpenFinding, ...] = ()
    lost: frozenset[int] = frozenset()


class Tenant(msgspec.Struct, frozen=True):
    """What a batch needs to know of a tenant: the key of its user hashes and the policy in force."""

    salt: bytes
    policy: Policy


class EventRow(NamedTuple):
    """An event as it is stored: `event` and `context` as MessagePack, `assessment` as JSON."""

    tenant_id: str
    event_id: str
    time: int
    received: int
    source: str
    activity: str
    outcome: str
    reason_class: str | None
    user_key: str
    ip: str | None
    asn: int | None
    country: str | None
    score: int
    level: str
    detectors: list[str]
    late: bool
    weight: int
    held: bool
    offset: int
    digest: bytes
    context: bytes
    event: bytes
    assessment: str
    raw: bytes


class PackedEvent(NamedTuple):
    """An event that waits to be stored: what is asked of it until then, and its `row` in the store's own form."""

    tenant_id: str
    event_id: str
    time: int
    received: int
    source: str
    outcome: str
    offset: int
    row: bytes


class ControlRow(msgspec.Struct):
    """A control record to be stored with what it led to."""

    offset: int
    control: ControlRecord
    value: bytes
    policy: int
    known: bool
    assessment: Assessment | None


class DeadLetter(msgspec.Struct):
    """A record that could not be processed, and where it lay on the log."""

    offset: int
    reject: RejectRecord


class Conflict(msgspec.Struct):
    """An event whose id is taken by another body."""

    record: EventRecord


class Touch(msgspec.Struct):
    """A source whose review is due: the range of buckets that changed."""

    lo: int
    hi: int


class Outgoing(NamedTuple):
    """A message for the outbox."""

    tenant_id: str
    topic: str
    key: str
    value: bytes


class Tally(msgspec.Struct):
    """What became of an import's records in one batch."""

    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    controls: int = 0


class Batch(msgspec.Struct):
    """Everything one transaction stores. `now` is when it was made (µs), kept with source buckets to a `grain`; those
    last written before `delete_before` may go.
    """

    claim: Claim
    next_offset: int
    events: list[PackedEvent] = []
    controls: list[ControlRow] = []
    dead: list[DeadLetter] = []
    conflicts: list[Conflict] = []
    repeats: int = 0
    users: dict[TenantKey, UserRow] = {}
    now: int = 0
    grain: int = MINUTE
    buckets: dict[BucketKey, bytes] = {}
    counts: dict[tuple[str, str, str], int] = {}
    sketches: dict[tuple[str, str, int], bytes] = {}
    anomalies: list[Anomaly] = []
    outgoing: list[Outgoing] = []
    touched: dict[SourceKey, Touch] = {}
    tallies: dict[TenantKey, Tally] = {}
    degraded: list[str] = []
    gap: tuple[int, int] | None = None
    delete_before: int | None = None


class Deleted(NamedTuple):
    """What a batch deleted beside what it stored: old buckets, and users whose failure windows ended."""

    buckets: list[BucketKey]
    users: list[TenantKey]


class QueueRow(NamedTuple):
    """A source that waits for its review; `part` names whose share changed."""

    key: SourceKey
    part: int
    upto: int
    lo: int
    hi: int


class ReviewBatch(msgspec.Struct):
    """Everything one review transaction stores. `again` are sources to look at once more, each with the range and
    when (µs) its last real change was seen; `degraded` names detectors that failed, once per slot.
    """

    claim: Claim
    done: list[QueueRow]
    views: dict[SourceKey, SourceView]
    anomalies: list[Anomaly]
    outgoing: list[Outgoing]
    doubts: list[tuple[str, str, str]]
    again: dict[SourceKey, tuple[Touch, int]]
    degraded: list[str] = []


class Success(NamedTuple):
    """A login that worked, as the review sees it."""

    event_id: str
    time: int
    user_key: str


class PartitionStore(Protocol):
    """The store as the owner of partitions sees it."""

    def tenants(self, ids: Collection[str]) -> dict[str, Tenant]:
        """Salt and policy of each tenant; one seen for the first time is created."""
        ...

    def policy(self, tenant_id: str, revision: int) -> Policy:
        """A stored revision."""
        ...

    def stored_events(self, keys: Mapping[TenantKey, int | None]) -> dict[TenantKey, bytes]:
        """The digests of those that are stored. A key's time says which time partition to look in; None: all."""
        ...

    def stored_controls(self, keys: Collection[TenantKey]) -> set[TenantKey]:
        """Those control ids that are stored."""
        ...

    def users(self, keys: Collection[TenantKey]) -> dict[TenantKey, UserRow]:
        """The rows of users that have one."""
        ...

    def sources_known(self, part: int, limit: int) -> set[SourceKey] | None:
        """The sources with buckets on a partition, or None where there are more than `limit`."""
        ...

    def buckets(self, part: int, ranges: Mapping[SourceKey, tuple[int, int]]) -> dict[SourceKey, Buckets]:
        """A partition's own buckets of sources, each within its inclusive range."""
        ...

    def views(self, keys: Mapping[SourceKey, bool]) -> dict[SourceKey, SourceView]:
        """The views of sources that have one; where False, only of those with findings."""
        ...

    def anomalies(self, keys: Collection[TenantKey]) -> dict[TenantKey, Anomaly]:
        """The stored anomalies by (tenant, id)."""
        ...

    def logins(self, keys: Mapping[TenantKey, int]) -> dict[TenantKey, StoredLogin]:
        """Stored logins by (tenant, event id) with the event's time."""
        ...

    def value_counts(self, tenant_id: str) -> Iterable[tuple[int, str, str, int]]:
        """(part, attribute, value, n) of a tenant."""
        ...

    def value_sketches(self, tenant_id: str) -> Iterable[tuple[int, str, int, bytes]]:
        """(part, attribute, chunk, counters) of a tenant."""
        ...

    def pack(self, row: EventRow) -> PackedEvent:
        """The row in this store's own form, in which it takes little memory until its batch is stored."""
        ...

    def commit(self, batch: Batch) -> Deleted:
        """Store the batch in one transaction under compare-and-swap; returns what it deleted, to be forgotten.
        Raises `Fenced`, `Unavailable` or `BadData`; then nothing of it is stored.
        """
        ...

    def queue(self, claim: Claim, limit: int) -> list[QueueRow]:
        """The sources of this partition's that wait for their review."""
        ...

    def united_buckets(
        self, ranges: Mapping[SourceKey, tuple[int, int]]
    ) -> dict[SourceKey, dict[int, Buckets]]:
        """Buckets of sources by partition, each within its inclusive range."""
        ...

    def findings(self, keys: Mapping[SourceKey, tuple[int, int]]) -> dict[SourceKey, list[Anomaly]]:
        """The anomalies of sources, open or withdrawn, whose slot lies in the inclusive range (µs)."""
        ...

    def successes(self, key: SourceKey, since: int, until: int, limit: int) -> list[Success]:
        """The logins that worked from a source (ip or prefix) in an inclusive range of event time."""
        ...

    def succeeding_users(self, key: SourceKey, since: int, until: int, limit: int) -> set[str]:
        """Who got in from a source in a range of event time."""
        ...

    def doubted(self, tenant_id: str, finding: str) -> set[str]:
        """The event ids that were already doubted because of a finding."""
        ...

    def commit_review(self, batch: ReviewBatch) -> None:
        """Store a review in one transaction under the same compare-and-swap."""
        ...
