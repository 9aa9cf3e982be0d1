"""Every metric there is: one closed list, base units, never a user, an address or a tenant as a label.

What a detector does is counted per batch, never per event. `scripts/metrics_page.py` makes the reference of this list.
"""

from typing import Literal, get_args

from gatewatch.core.events import Outcome
from gatewatch.core.signals import Action, Level
from gatewatch.detectors import DETECTORS, SOURCE_DETECTORS
from gatewatch.ingest.contract import RejectReason
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.metrics.kinds import OTHER, AnyMetric, Counter, Gauge, Histogram, Label, Metric, Service

Stage = Literal["read", "decode", "load", "assess", "merge", "commit"]
GivenUp = Literal["fenced", "unavailable", "bad_data"]
Repeat = Literal["duplicate", "conflict"]
Cache = Literal["users", "sources"]
Lookup = Literal["hit", "miss"]
Owned = Literal["alive", "expired", "none"]
Became = Literal["accepted", "duplicate", "ignored", "rejected"]
Login = Literal["ok", "wrong", "limited"]

DETECTOR: tuple[Service, ...] = ("detector",)
NOTIFIER: tuple[Service, ...] = ("notifier",)
API: tuple[Service, ...] = ("api",)
EDGES: tuple[Service, ...] = ("api", "connector")
READERS: tuple[Service, ...] = ("detector", "connector")
EVERY: tuple[Service, ...] = ("api", "detector", "notifier", "connector")

_IDS = tuple(dict.fromkeys([*DETECTORS, *SOURCE_DETECTORS]))
_ADDED = "those that installed packages add"
_SOURCE = Label("source", (*ADAPTERS, "decision", OTHER))
_OUTCOME = Label("outcome", get_args(Outcome))
_REASON = Label("reason", (*get_args(RejectReason), "undecodable", "refused", "too_old", OTHER))
_DETECTOR = Label("detector", _IDS, open=_ADDED)
_PART = Label("part", _IDS, open=_ADDED)
_SUBSTITUTE = Label("part", ("state_lag", "geo", "source_views", "profile", *_IDS), open=_ADDED)
_ROUTE = Label(
    "route", open="the API's routes as its reference names them, `/{path:path}` for the web app, `none`"
)
_METHOD = Label("method", ("GET", "HEAD", "POST", "PATCH", "DELETE", OTHER))
_STATUS = Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx", "none"))

# The detector ------------------------------------------------------------------------------------------------------

EVENTS = Counter[str, str]("gatewatch_events_stored_total", "Events stored.", DETECTOR, _SOURCE, _OUTCOME)
REPEATS = Counter[Repeat](
    "gatewatch_repeats_total",
    "Records that were stored already, and ids that came with another body.",
    DETECTOR,
    Label("kind", get_args(Repeat)),
)
DEAD_LETTERS = Counter[str](
    "gatewatch_dead_letters_total",
    "Records that became [dead letters](reason-codes.md).",
    DETECTOR,
    _REASON,
)
ANOMALIES = Counter[str, Level](
    "gatewatch_anomalies_total",
    "Versions of anomalies written: an anomaly that grows counts again.",
    DETECTOR,
    _DETECTOR,
    Label("severity", get_args(Level)),
)
DEGRADED = Counter[str](
    "gatewatch_degraded_total",
    "Assessments and reviews in which a detector or its model failed. Should stay 0.",
    DETECTOR,
    _PART,
)
REROUTED = Counter[()](
    "gatewatch_rerouted_total", "Records that lay on the wrong partition and were sent on.", DETECTOR
)
BATCH_RECORDS = Histogram[()](
    "gatewatch_batch_records",
    "Records per batch.",
    DETECTOR,
    buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000),
)
BATCH_SECONDS = Histogram[Stage](
    "gatewatch_batch_seconds",
    "Seconds per batch, by stage: `read` from the log, `decode`, `load` state, `assess` and learn, `merge` anomalies,"
    " `commit`. Stages of different batches overlap.",
    DETECTOR,
    Label("stage", get_args(Stage)),
)
REVIEW_SECONDS = Histogram[()](
    "gatewatch_review_seconds", "Seconds per review round of a partition.", DETECTOR
)
REFUSED_BATCHES = Counter[GivenUp](
    "gatewatch_batches_given_up_total",
    "Batches that were not stored: the partition had another owner by then (`fenced`), the database was away or asked"
    " for another try (`unavailable`), a value was refused (`bad_data`). They are done again.",
    DETECTOR,
    Label("cause", get_args(GivenUp)),
)
PARTITIONS = Gauge[()]("gatewatch_partitions_owned", "Partitions that this process owns.", DETECTOR)
LAG = Gauge[int](
    "gatewatch_log_lag_records",
    "Records on the log that are not stored yet, of the partitions that this process owns; looked at once a second.",
    DETECTOR,
    Label("partition", open="the partitions of the log"),
)
DELAY = Histogram[()](
    "gatewatch_event_delay_seconds",
    "Seconds from the arrival of a batch's first event until it was stored.",
    DETECTOR,
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0),
)
GAPS = Counter[()](
    "gatewatch_log_gaps_total",
    "Ranges of the log, or of a vendor's topic, that were lost before they were read. Should stay 0.",
    READERS,
)
CACHE_LOOKUPS = Counter[Cache, Lookup](
    "gatewatch_cache_lookups_total",
    "Users and sources that batches needed, by whether their state was in memory. One that is new is a miss.",
    DETECTOR,
    Label("cache", get_args(Cache)),
    Label("result", get_args(Lookup)),
)
CACHED = Gauge[Cache](
    "gatewatch_cache_entries",
    "Users and sources whose state is in memory.",
    DETECTOR,
    Label("cache", get_args(Cache)),
)
PROFILES = Counter[()]("gatewatch_profiles_stored_total", "Profiles written, once per batch.", DETECTOR)
PROFILE_BYTES = Counter[()](
    "gatewatch_profiles_stored_bytes_total",
    "Bytes of the profiles written; divided by their number, the size of one.",
    DETECTOR,
)

# The notifier ------------------------------------------------------------------------------------------------------

_LANE = Label("lane", open="the partitions of the log, and `-1` for what the API publishes")
RELAYED = Counter[()]("gatewatch_outbox_relayed_total", "Outbox messages relayed.", NOTIFIER)
OUTBOX_WAITING = Gauge[int](
    "gatewatch_outbox_waiting_messages",
    "Outbox messages that wait to be relayed; looked at every five seconds.",
    NOTIFIER,
    _LANE,
)
OUTBOX_AGE = Gauge[int](
    "gatewatch_outbox_age_seconds",
    "How long the oldest message of a lane has waited to be relayed, 0 where none waits.",
    NOTIFIER,
    _LANE,
)
OWNERSHIP = Gauge[Owned](
    "gatewatch_partitions",
    "Partitions of the log by who reads them: a detector that beats (`alive`), one that is silent (`expired`), none.",
    NOTIFIER,
    Label("ownership", get_args(Owned)),
)

# The API -----------------------------------------------------------------------------------------------------------

REQUESTS = Counter[str, str, str](
    "gatewatch_http_requests_total",
    "HTTP requests by route, method and class of status; `none` where the client left before the answer, and as the"
    " route where no route was found.",
    API,
    _ROUTE,
    _METHOD,
    _STATUS,
)
REQUEST_SECONDS = Histogram[str, str](
    "gatewatch_http_request_seconds", "Seconds until an answer began.", API, _ROUTE, _METHOD
)
INGESTED = Counter[str, Became](
    "gatewatch_ingest_records_total",
    "What became of records that came over HTTP, or from vendors' topics; `duplicate` is a repeat within one request or"
    " message.",
    EDGES,
    _SOURCE,
    Label("result", get_args(Became)),
)
INGEST_REJECTS = Counter[str, str](
    "gatewatch_ingest_rejects_total",
    "Records that came over HTTP and were rejected.",
    API,
    Label("key", open="the prefixes of the API keys that were issued"),
    _REASON,
)
APPEND_SECONDS = Histogram[()](
    "gatewatch_ingest_append_seconds", "Seconds per durable append to the log.", EDGES
)
APPEND_REQUESTS = Histogram[()](
    "gatewatch_ingest_append_requests",
    "Requests whose records went into one append.",
    API,
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
)
DECISIONS = Counter[str, Action](
    "gatewatch_decisions_total",
    "Decisions, by what was answered (`repeat` of an earlier answer, `dry_run`) and by the verdict.",
    API,
    Label("result", (*get_args(Action), "repeat", "dry_run")),
    Label("verdict", get_args(Action)),
)
DECISIONS_DEGRADED = Counter[str](
    "gatewatch_decisions_degraded_total",
    "Decisions that had to do [without a part](../howto/protect-a-login.md#what-an-answer-may-lack).",
    API,
    _SUBSTITUTE,
)
DECISION_SECONDS = Histogram[()](
    "gatewatch_decision_seconds",
    "Seconds from a request for a decision to its answer.",
    API,
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
LOGINS = Counter[Login](
    "gatewatch_api_logins_total",
    "Attempts to log in to Gatewatch itself.",
    API,
    Label("result", get_args(Login)),
)
STREAM_CLIENTS = Gauge[()]("gatewatch_stream_clients", "Streams that are being sent.", API)
STREAM_ENDS = Counter[str](
    "gatewatch_stream_ends_total",
    "Streams that ended: `left` by the client, `slow`, `revoked`, `shutdown`, `failure` (a mistake of ours; the log has"
    " it).",
    API,
    Label("cause", ("left", "slow", "revoked", "shutdown", "failure")),
)

# The connector -----------------------------------------------------------------------------------------------------

CONNECTOR_LAG = Gauge[str, int](
    "gatewatch_connector_lag_messages",
    "Messages of vendors' topics that are not on the log yet, of the partitions that this process has; looked at every"
    " five seconds.",
    ("connector",),
    Label("topic", open="the topics that are configured"),
    Label("partition", open="their partitions"),
)
CONNECTOR_WAITING = Gauge[()](
    "gatewatch_connector_waiting",
    "1 while it cannot go on: the log, the vendor's brokers or one of the topics is away, or they refuse it; else 0.",
    ("connector",),
)

# Each process ------------------------------------------------------------------------------------------------------

BUILD = Gauge[str, str](
    "gatewatch_build_info",
    "Always 1; its labels say what runs.",
    EVERY,
    Label("service", get_args(Service)),
    Label("version", open="the version of Gatewatch"),
)
MEMORY_LIMIT = Gauge[()](
    "gatewatch_memory_limit_bytes", "The memory limit of the process's control group, 0 without one.", EVERY
)

#: The list.
METRICS: tuple[AnyMetric, ...] = tuple(
    found for found in list(globals().values()) if isinstance(found, Metric)
)


def count_lookups(cache: Cache, wanted: int, missing: int) -> None:
    """Count what a batch needed of a cache."""
    CACHE_LOOKUPS.add(cache, "hit", by=wanted - missing)
    CACHE_LOOKUPS.add(cache, "miss", by=missing)
