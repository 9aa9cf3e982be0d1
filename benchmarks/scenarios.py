"""What is measured: scenarios under permanent ids. Each takes the bench it runs on and returns its figures."""

from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median

import msgspec
import psycopg

from benchmarks import (
    asking,
    browsing,
    deciding,
    http,
    kafka,
    latency,
    memory,
    millions,
    pipes,
    pure,
    steps,
    worlds,
)
from benchmarks.figures import Figure, figure, percentile
from benchmarks.progress import Progress
from benchmarks.scratch import Scratch
from benchmarks.worlds import World
from gatewatch.settings import Settings

#: Reviews that stand for the usual and for the worst source.
TYPICAL = "review.typical (3 buckets, 4 failures each)"
WORST = "review.worst, others each time (144 x 256 users)"

_PROFILES = "SELECT octet_length(state) FROM profiles WHERE has_history"
_CONTEXTS = "SELECT octet_length(context) FROM login_events"
_ROWS = "SELECT pg_column_size(e.*) FROM login_events e"
_DISK = """
SELECT sum(pg_total_relation_size(inhrelid))::float8 / (SELECT count(*) FROM login_events)
FROM pg_inherits WHERE inhparent = 'login_events'::regclass
"""


class Bench(msgspec.Struct):
    """How much is measured, and with what. `processed` is a database whose log was worked off, once there is one."""

    scratch: Scratch
    progress: Progress
    quick: bool = False
    processed: str = ""

    @property
    def events(self) -> int:
        """Events per measurement of a pipe."""
        return 20_000 if self.quick else 100_000

    @property
    def repeats(self) -> int:
        """Measurements per figure."""
        return 3 if self.quick else 5

    @property
    def settings(self) -> Settings:
        """The settings of the detectors under measurement: the defaults, with places and networks."""
        return Settings(geo_city=str(self.scratch.geo), log_level="warning")

    def on_kafka(self, prefix: str) -> Settings:
        """The same with the log on a broker, under names of its own."""
        return msgspec.structs.replace(
            self.settings,
            kafka_bootstrap=self.scratch.brokers,
            kafka_prefix=f"{prefix}.",
            kafka_partitions=kafka.PARTITIONS,
        )

    def bare(self, world: World) -> float:
        """One measurement of the bare pipe, in events per second."""
        conninfo = self.scratch.database(world, self.events, "bare")
        found = pipes.bare_rate(conninfo, self.events, self.progress)
        self.progress.say(f"  bare pipe ({world}): {found:,.0f} events/s")
        self.scratch.drop("bare")
        return found

    def full(self, world: World, detectors: int = 1) -> float:
        """One measurement of the whole pipeline, in events per second."""
        name = f"full_{world}_{detectors}"
        conninfo = self.scratch.database(world, self.events, name)
        found = pipes.full_rate(conninfo, self.settings, self.events, detectors, self.progress)
        self.progress.say(f"  full pipeline ({world}), {detectors} detectors: {found:,.0f} events/s")
        if world == "throughput" and detectors == 1:
            self.processed = conninfo
        else:
            self.scratch.drop(name)
        return found

    def bare_on_kafka(self) -> float:
        """One measurement of the bare pipe from Kafka, in events per second."""
        settings = self.on_kafka("throughput")
        conninfo = self.scratch.database("throughput", self.events, "bare", settings)
        found = kafka.bare_rate(conninfo, settings, self.events, self.progress)
        self.progress.say(f"  bare pipe (Kafka): {found:,.0f} events/s")
        self.scratch.drop("bare")
        return found

    def full_on_kafka(self, detectors: int = 1) -> float:
        """One measurement of the whole pipeline from Kafka, in events per second."""
        settings = self.on_kafka("throughput")
        conninfo = self.scratch.database("throughput", self.events, "full_kafka", settings)
        found = kafka.full_rate(conninfo, settings, self.events, detectors, self.progress)
        self.progress.say(f"  full pipeline (Kafka), {detectors} detectors: {found:,.0f} events/s")
        self.scratch.drop("full_kafka")
        return found


def pure_step(bench: Bench) -> list[Figure]:
    """One event against a warm world: all detectors, and without those that ask a model."""
    full, rules = steps.passes(10_000 if bench.quick else 40_000, bench.repeats)
    return [
        figure("pure_step.all_us", [c.all for c in full], "µs", "time"),
        figure("pure_step.success_us", [c.success for c in full], "µs", "time"),
        figure("pure_step.failure_us", [c.failure for c in full], "µs", "time"),
        figure("pure_step.rules_us", [c.all for c in rules], "µs", "time"),
        figure("pure_step.rules_success_us", [c.success for c in rules], "µs", "time"),
    ]


def pure_review(bench: Bench) -> list[Figure]:
    """One review of a usual source, and of the worst that a bucket's sketch allows."""
    names = {"typical": TYPICAL, "worst": WORST}
    return [
        figure(
            f"pure_review.{id}_us",
            [pure.review_us(name, repeats=1) for _ in range(bench.repeats)],
            "µs",
            "time",
        )
        for id, name in names.items()
    ]


def bare_pipe(bench: Bench) -> list[Figure]:
    """Read, decode, COPY into the same table."""
    rates = [bench.bare("throughput") for _ in range(bench.repeats)]
    return [figure("bare_pipe.rate", rates, "events/s", "rate")]


def full_pipeline(bench: Bench) -> list[Figure]:
    """The system on ordinary traffic, against the bare pipe on the same records."""
    return _against_bare(bench, "full_pipeline", "throughput")


def flood(bench: Bench) -> list[Figure]:
    """The system under failures from random addresses, against the bare pipe on the same records."""
    return _against_bare(bench, "flood", "flood")


def _against_bare(bench: Bench, id: str, world: World) -> list[Figure]:
    pairs = [(bench.bare(world), bench.full(world)) for _ in range(bench.repeats)]
    return _paired(id, pairs, ("bare_rate", "rate"))


def _paired(id: str, pairs: Sequence[tuple[float, float]], names: tuple[str, str]) -> list[Figure]:
    """Both rates, and the median of the ratios within each pair: neighbours in time share the machine's mood."""
    below, above = zip(*pairs, strict=True)
    return [
        figure(f"{id}.{names[0]}", below, "events/s", "rate"),
        figure(f"{id}.{names[1]}", above, "events/s", "rate"),
        figure(f"{id}.ratio", [b / a for a, b in pairs], "times", "ratio"),
    ]


def two_detectors(bench: Bench) -> list[Figure]:
    """Two detector processes against one."""
    pairs = [(bench.full("throughput", 1), bench.full("throughput", 2)) for _ in range(bench.repeats)]
    return _paired("two_detectors", pairs, ("one_rate", "two_rate"))


def sizes(bench: Bench) -> list[Figure]:
    """Bytes of what is stored per user and per event."""
    if not bench.processed:
        bench.full("throughput")
    with psycopg.connect(bench.processed, autocommit=True) as connection:
        connection.execute("SET ROLE gatewatch_worker")

        def numbers(query: str) -> list[float]:
            return [row[0] for row in connection.execute(query.encode()).fetchall()]

        found, contexts = numbers(_PROFILES), numbers(_CONTEXTS)
        values = {
            "profile_median": median(found),
            "profile_p95": percentile(found, 0.95),
            "context_median": median(contexts),
            "context_p95": percentile(contexts, 0.95),
            "event_row_median": median(numbers(_ROWS)),
            "event_on_disk": numbers(_DISK)[0],
        }
    return [figure(f"sizes.{id}", [value], "bytes", "size") for id, value in values.items()]


def import_memory(bench: Bench) -> list[Figure]:
    """Peak resident memory of an import by the command line: each process, and their sum."""
    count = 100_000 if bench.quick else 1_000_000
    file = bench.scratch.folder / "import.ndjson"
    worlds.write(file, count, bench.progress)
    found = memory.peaks(bench.scratch.folder / "imported", file, bench.scratch.geo, count, bench.progress)
    values = {**{f"{role}_mb": peak for role, peak in sorted(found.items())}, "sum_mb": sum(found.values())}
    return [figure(f"import_memory.{id}", [value], "MB", "size") for id, value in values.items()]


def ingest_one(bench: Bench) -> list[Figure]:
    """`POST /v1/events` with one event per request, from 32 connections, against a bare handler."""
    return _ingest(bench, "ingest_one", http.Load(2_000 if bench.quick else 10_000, 1, 32))


def ingest_many(bench: Bench) -> list[Figure]:
    """`POST /v1/events` with 500 events per request, from 4 connections, against a bare handler."""
    return _ingest(bench, "ingest_many", http.Load(40 if bench.quick else 200, 500, 4))


def _ingest(bench: Bench, id: str, load: http.Load) -> list[Figure]:
    """Requests and events per second, what a request takes, and the median of the ratios to the bare handler."""
    pairs = [(_answered(bench, load, bare=True), _answered(bench, load)) for _ in range(bench.repeats)]
    bare, ours = [a.rate for a, _ in pairs], [b for _, b in pairs]
    rates = [found.rate for found in ours]
    return [
        figure(f"{id}.bare_rate", bare, "requests/s", "rate"),
        figure(f"{id}.rate", rates, "requests/s", "rate"),
        figure(f"{id}.events_rate", [rate * load.events for rate in rates], "events/s", "rate"),
        *_latencies(f"{id}.", [found.seconds for found in ours]),
        figure(f"{id}.ratio", [b / a for a, b in zip(bare, rates, strict=True)], "times", "ratio"),
    ]


def _answered(bench: Bench, load: http.Load, *, bare: bool = False) -> http.Answered:
    """One measurement, on an empty log."""
    conninfo = bench.scratch.empty("ingest")
    with http.serving(conninfo, bare=bare) as url:
        found = http.sent(url, http.key_of(conninfo), load, bare=bare)
    bench.progress.say(f"  {'bare handler' if bare else 'API'}: {found.rate:,.0f} requests/s")
    bench.scratch.drop("ingest")
    return found


def _latencies(prefix: str, runs: Sequence[list[float]]) -> list[Figure]:
    """The usual and the worst of what each took, for information: a machine's disk and neighbours are in it."""
    return [
        figure(f"{prefix}p{share}_ms", [1_000 * percentile(run, share / 100) for run in runs], "ms", "rate")
        for share in (50, 99)
    ]


def stream(bench: Bench) -> list[Figure]:
    """From sending an event to its arrival on a stream: request, log, detector, poller; one event at a time."""
    runs = []
    for _ in range(bench.repeats):
        conninfo = bench.scratch.empty("stream")
        with http.serving(conninfo, pipes.detector(conninfo, bench.settings)) as url:
            runs.append(http.told(url, http.key_of(conninfo), 50 if bench.quick else 200))
        bench.scratch.drop("stream")
    return _latencies("stream.", runs)


def decisions(bench: Bench) -> list[Figure]:
    """`/v1/decisions` of one process on one core at 200 requests/s, at full speed, and at twice that."""
    if not bench.processed:
        bench.full("throughput")
    found = [
        deciding.measure(bench.processed, bench.settings, 5.0 if bench.quick else 15.0)
        for _ in range(bench.repeats)
    ]
    return [
        figure("decisions.answered", [m.answered for m in found], "times", "ratio"),
        figure("decisions.p50_ms", [m.p50 for m in found], "ms", "time"),
        figure("decisions.p99_ms", [m.p99 for m in found], "ms", "time"),
        figure("decisions.cpu_us", [m.cpu_us for m in found], "µs", "time"),
        figure("decisions.capacity", [m.capacity for m in found], "decisions/s", "rate"),
        figure("decisions.overload_share", [m.kept_share for m in found], "times", "ratio"),
        figure("decisions.overload_p99_ms", [m.overload_p99 for m in found], "ms", "time"),
    ]


def lists(bench: Bench) -> list[Figure]:
    """Every GET of the API over five million events: first and later pages, common and rare values, a day and 30."""
    conninfo = millions.fill(bench.scratch, "lists", bench.settings, 500_000 if bench.quick else 5_000_000)
    found = asking.measure(conninfo, bench.scratch.superuser("lists"), bench.progress)
    bench.scratch.drop("lists")
    bench.progress.say("  p50, p95, maximum (ms) of the slowest lists")
    for line in islice(asking.table(found), 10):
        bench.progress.say(f"  {line}")
    every = [seconds for asked in found for seconds in asked.seconds]
    largest = [seconds for asked in found for seconds in asked.largest]
    values = {
        "p50": 1e3 * percentile(every, 0.5),
        "p95": max(asked.p95 for asked in found),
        "max": 1e3 * max(every),
        "largest_p95": 1e3 * percentile(largest, 0.95),
        **{f"{family}_p95": worst for family, worst in sorted(asking.families(found).items())},
    }
    return [figure(f"lists.{id}_ms", [value], "ms", "time") for id, value in values.items()]


def ui(bench: Bench) -> list[Figure]:
    """The web app: what a page loads first, and the overview in a browser until it answers a click."""
    conninfo = bench.scratch.empty("ui")
    millions.seeded(conninfo, bench.settings, 10_000 if bench.quick else 25_000, bench.progress)
    seen = browsing.overviews(conninfo, bench.repeats)
    bench.scratch.drop("ui")
    return [
        figure("ui.first_load_kb", [browsing.first_load_kb()], "kB", "size"),
        figure("ui.shown_ms", [one.shown for one in seen], "ms", "time"),
        figure("ui.interactive_ms", [one.interactive for one in seen], "ms", "time"),
    ]


def kafka_pipeline(bench: Bench) -> list[Figure]:
    """The system on ordinary traffic from Kafka, against the bare pipe from there on the same records."""
    pairs = [(bench.bare_on_kafka(), bench.full_on_kafka()) for _ in range(bench.repeats)]
    return _paired("kafka_pipeline", pairs, ("bare_rate", "rate"))


def kafka_two_detectors(bench: Bench) -> list[Figure]:
    """Two detector processes in a consumer group against one."""
    pairs = [(bench.full_on_kafka(1), bench.full_on_kafka(2)) for _ in range(bench.repeats)]
    return _paired("kafka_two_detectors", pairs, ("one_rate", "two_rate"))


def kafka_latency(bench: Bench) -> list[Figure]:
    """From sending an event to its row, and to its anomaly on `gatewatch.anomalies`; one event at a time."""
    runs = []
    for number in range(bench.repeats):
        settings = bench.on_kafka(f"latency-{number}")
        conninfo = bench.scratch.empty("latency", settings)
        runs.append(latency.measure(conninfo, settings, 50 if bench.quick else 200))
        bench.scratch.drop("latency")
    return [
        *_latencies("kafka_latency.row_", [run.rows for run in runs]),
        *_latencies("kafka_latency.anomaly_", [run.anomalies for run in runs]),
    ]


#: In the order they run and are shown: the broker lives from the first that needs it to the end.
SCENARIOS: dict[str, Callable[[Bench], list[Figure]]] = {
    "pure_step": pure_step,
    "pure_review": pure_review,
    "bare_pipe": bare_pipe,
    "full_pipeline": full_pipeline,
    "flood": flood,
    "two_detectors": two_detectors,
    "ingest_one": ingest_one,
    "ingest_many": ingest_many,
    "stream": stream,
    "sizes": sizes,
    "decisions": decisions,
    "lists": lists,
    "ui": ui,
    "import_memory": import_memory,
    "kafka_pipeline": kafka_pipeline,
    "kafka_two_detectors": kafka_two_detectors,
    "kafka_latency": kafka_latency,
}

#: Those whose times are compared by the yardstick; it is taken right beside them.
PURE = frozenset({"pure_step", "pure_review"})
