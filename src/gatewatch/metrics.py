"""Every metric there is: one closed list, base units, never a user or an address as a label."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter(
    "gatewatch_events_stored_total", "Events stored, by source and outcome.", ["source", "outcome"]
)
REPEATS = Counter(
    "gatewatch_repeats_total", "Records that were stored already, and ids with another body.", ["kind"]
)
DEAD_LETTERS = Counter(
    "gatewatch_dead_letters_total", "Records that became dead letters, by reason.", ["reason"]
)
ANOMALIES = Counter(
    "gatewatch_anomalies_total", "Versions of anomalies, by detector and severity.", ["detector", "severity"]
)
DEGRADED = Counter("gatewatch_degraded_total", "Assessments without a part that failed, by part.", ["part"])
REROUTED = Counter("gatewatch_rerouted_total", "Records that lay on the wrong partition and were sent on.")
BATCH_RECORDS = Histogram(
    "gatewatch_batch_records", "Records per batch.", buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000)
)
BATCH_SECONDS = Histogram("gatewatch_batch_seconds", "Seconds per batch, by stage.", ["stage"])
REVIEW_SECONDS = Histogram("gatewatch_review_seconds", "Seconds per review round of a partition.")
REFUSED_BATCHES = Counter(
    "gatewatch_batches_given_up_total",
    "Batches that were not stored, by cause (fenced, unavailable, bad_data).",
    ["cause"],
)
PARTITIONS = Gauge("gatewatch_partitions_owned", "Partitions this process owns.")
GAPS = Counter("gatewatch_log_gaps_total", "Ranges of the log that were lost before they were read.")
RELAYED = Counter("gatewatch_outbox_relayed_total", "Outbox messages relayed.")
DECISIONS = Counter(
    "gatewatch_decisions_total",
    "Decisions answered, by what was answered (allow, challenge, deny, repeat, dry_run) and by the verdict.",
    ["result", "verdict"],
)
DECISIONS_DEGRADED = Counter(
    "gatewatch_decisions_degraded_total", "Decisions that had to do without a part, by part.", ["part"]
)
DECISION_SECONDS = Histogram(
    "gatewatch_decision_seconds",
    "Seconds from a request for a decision to its answer.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
LOGINS = Counter(
    "gatewatch_api_logins_total", "Attempts to log in to Gatewatch itself, by result.", ["result"]
)
INGESTED = Counter(
    "gatewatch_ingest_records_total",
    "What became of records that came over HTTP (accepted, duplicate, ignored, rejected), by source.",
    ["source", "result"],
)
INGEST_REJECTS = Counter(
    "gatewatch_ingest_rejects_total",
    "Records that came over HTTP and were rejected, by API key (its prefix) and reason.",
    ["key", "reason"],
)
STREAM_CLIENTS = Gauge("gatewatch_stream_clients", "Streams that an API process sends.")
STREAM_ENDS = Counter(
    "gatewatch_stream_ends_total",
    "Streams that ended, by cause (left, slow, revoked, shutdown, failure).",
    ["cause"],
)
APPEND_SECONDS = Histogram("gatewatch_ingest_append_seconds", "Seconds per durable append of an API process.")
APPEND_REQUESTS = Histogram(
    "gatewatch_ingest_append_requests",
    "Requests whose records went into one append.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
)
