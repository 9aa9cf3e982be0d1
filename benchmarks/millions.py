"""A database of millions of events: what lists are measured on.

The detector works off two days of an organisation that is attacked, ending now. What it stored is then multiplied back
in time, two days by two days: the same rows with other ids, times and users, and the counts that go with them. So the
heaviest user and addresses have tens of thousands of events, most users a few, and there are `VARIANTS` times as many
users as the two days have.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from time import time_ns
from typing import Any, LiteralString

import psycopg
from msgspec.structs import replace

from benchmarks import pipes, worlds
from benchmarks.progress import Progress
from benchmarks.scratch import Scratch
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.core import anomalies, events
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.events import LoginEvent, User
from gatewatch.core.records import content_digest
from gatewatch.core.times import DAY, HOUR, MINUTE, to_datetime
from gatewatch.settings import Settings
from gatewatch.simulator.scenarios import SCENARIOS
from gatewatch.simulator.world import World

Connection = psycopg.Connection[tuple[Any, ...]]

#: How long the world is that the detector works off (µs), and how often it is stored in all.
SPAN, COPIES = 2 * DAY, 20
#: Generations of users: those of a copy are other people than those of the copies beside it.
VARIANTS = 5
#: Who logs in every minute, always from one address.
ROBOT = User(id="svc-backup", name="backup-agent")
ROBOT_IP = "198.51.100.250"
#: Dead letters per copy.
DEAD_LETTERS = 1_000

_SHIFT = timedelta(microseconds=SPAN)
#: What a copy takes from its seed as it is.
_SAME = (
    "tenant_id, source, activity, outcome, reason_class, ip, asn, country, score, level, detectors, late, weight,"
    " held, generation, part, digest, context, assessment, raw"
)
_SEEDS: LiteralString = """
CREATE UNLOGGED TABLE seeds AS
SELECT row_number() OVER (ORDER BY time, event_id) AS n, * FROM login_events;
ALTER TABLE seeds ADD PRIMARY KEY (n);
CREATE UNLOGGED TABLE copied (n bigint, event_id text, user_key text, event bytea);
ANALYZE seeds;
"""
_EVENTS: LiteralString = f"""
INSERT INTO login_events ({_SAME}, event_id, user_key, event, time, received_at, stored_at, off)
SELECT {_SAME}, c.event_id, c.user_key, c.event, time - %(shift)s, received_at - %(shift)s, stored_at - %(shift)s,
    off - %(copy)s * 10000000000
FROM seeds s JOIN copied c USING (n)
ORDER BY n
"""
#: The users of a variant were seen last in the newest copy that is theirs.
_USERS: LiteralString = """
INSERT INTO profiles (tenant_id, user_key, state, name, user_id, last_seen, risk, has_history, part, expires_at)
SELECT tenant_id, user_key || '.' || v, state, name || '.' || v, user_id || '.' || v, last_seen - v * %(shift)s,
    risk - v * extract(epoch FROM %(shift)s) / 604800, has_history, part, expires_at
FROM profiles, generate_series(1, %(variants)s - 1) AS v
WHERE user_key <> %(robot)s
"""
_ANOMALIES: LiteralString = """
INSERT INTO anomalies (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score, first_seen,
    last_seen, version, body, opened_at, updated_at)
SELECT a.tenant_id, c.id, subject_kind, c.subject, detector, slot - c.copy * %(shift)s, state, severity, score,
    first_seen - c.copy * %(shift)s, last_seen - c.copy * %(shift)s, version, c.body::json,
    opened_at - c.copy * %(shift)s, updated_at - c.copy * %(shift)s
FROM found c JOIN anomalies a ON a.id = c.seed
"""
#: The counts of whole copies are those of the seeds, at other hours; they lie as they would have been written.
_COUNTS: LiteralString = """
INSERT INTO activity AS a (tenant_id, bucket, part, events, successes, failures, signalled)
SELECT tenant_id, bucket - c * %(shift)s, part, events, successes, failures, signalled
FROM activity, generate_series(1, %(copies)s - 1) AS c
ORDER BY bucket - c * %(shift)s
ON CONFLICT (tenant_id, bucket, part) DO UPDATE SET events = a.events + excluded.events,
    successes = a.successes + excluded.successes, failures = a.failures + excluded.failures,
    signalled = a.signalled + excluded.signalled
"""
_VALUES: LiteralString = """
INSERT INTO activity_values AS a (tenant_id, kind, bucket, part, value, events, failures, signalled, others)
SELECT tenant_id, kind, bucket - c * %(shift)s, part,
    CASE WHEN kind = 'user' AND c %% %(variants)s > 0 AND value <> %(robot)s AND value NOT LIKE '@ip:%%'
        THEN value || '.' || c %% %(variants)s ELSE value END,
    events, failures, signalled, others
FROM activity_values, generate_series(1, %(copies)s - 1) AS c
ORDER BY bucket - c * %(shift)s, part
ON CONFLICT (tenant_id, kind, bucket, part, value) DO UPDATE SET events = a.events + excluded.events,
    failures = a.failures + excluded.failures, signalled = a.signalled + excluded.signalled,
    others = a.others + excluded.others
"""
_CONTROLS: LiteralString = """
INSERT INTO control_records (tenant_id, id, user_key, kind, body, policy, known, assessment, generation, part, off)
SELECT tenant_id, id || '~' || c,
    CASE WHEN c %% %(variants)s > 0 THEN user_key || '.' || c %% %(variants)s ELSE user_key END,
    kind, body, policy, known, assessment, generation, part, off - c * 10000000000
FROM control_records, generate_series(1, %(copies)s - 1) AS c
"""
_DEAD_LETTERS: LiteralString = """
INSERT INTO dead_letters (tenant_id, id, source, reason, detail, raw, size, sha256, received_at)
SELECT 'default', md5(i::text), 'native', CASE WHEN i %% 50 = 0 THEN 'no_time' ELSE 'bad_json' END,
    'This is no JSON.', convert_to(repeat('not json ', 20), 'UTF8'), 180, '', %(end)s - i * %(shift)s / %(letters)s
FROM generate_series(1, %(letters)s * %(copies)s) AS i
"""
_STATUSES: LiteralString = """
INSERT INTO anomaly_statuses (tenant_id, id, status, revision, hits, changed_by)
SELECT tenant_id, id, CASE WHEN id < '1' THEN 'in_progress' ELSE 'resolved' END, 1, 1, 'account:bench'
FROM anomalies WHERE id < '8'
"""


def world(seeds: int, end: int) -> Iterator[LoginEvent]:
    """Some `seeds` events of the two days before `end` (µs), a third of them attacks, and those of the robot."""
    runs = dict.fromkeys(SCENARIOS, max(1, seeds // 12_500))
    people = World(
        worlds.SEED,
        seeds * 26 // 100,
        SPAN / DAY,
        end - SPAN,
        kind="throughput",
        failure_rate=0.15,
        scenarios=runs,
        quiet_days=0.25,
    )
    ordinary = (simulated.event for simulated in people.events())
    return merge(ordinary, _robot(people, end), key=lambda event: event.time)


def _robot(people: World, end: int) -> Iterator[LoginEvent]:
    """A success a minute."""
    some = next(s.event for s in people.events() if s.event.is_success)
    for time in range(end - SPAN, end, MINUTE):
        yield replace(some, event_id=f"robot-{time}", time=time, user=ROBOT, ip=ROBOT_IP, device_id="")


def seeded(conninfo: str, settings: Settings, seeds: int, progress: Progress) -> datetime:
    """Have the detector work off the world; returns when it ends, the last whole hour."""
    end = time_ns() // 1000 // HOUR * HOUR
    count = worlds.put(PostgresLog(conninfo), world(seeds, end), seeds, progress, "filling the log")
    pipes.full_rate(conninfo, settings, count, 1, progress)
    return to_datetime(end)


def fill(scratch: Scratch, name: str, settings: Settings, count: int, copies: int = COPIES) -> str:
    """Make a database of at least so many events; returns its connection string."""
    conninfo, progress = scratch.empty(name), scratch.progress
    end = seeded(conninfo, settings, count // copies, progress)
    with psycopg.connect(scratch.superuser(name), autocommit=True) as connection:
        _copy_anomalies(connection, copies)
        values = {
            "shift": _SHIFT,
            "copies": copies,
            "variants": VARIANTS,
            "robot": ROBOT.name,
            "end": end,
            "letters": DEAD_LETTERS,
        }
        for statement in (_USERS, _COUNTS, _VALUES, _CONTROLS, _DEAD_LETTERS, _STATUSES):
            connection.execute(statement, values)
        connection.execute(_SEEDS)
        _months(connection, end, copies)
        _copy_events(connection, copies, progress)
        progress.say("  tidying up, as autovacuum would")
        connection.execute("DROP TABLE seeds, copied")
        connection.execute("VACUUM ANALYZE")
    return conninfo


def _months(connection: Connection, end: datetime, copies: int) -> None:
    for day in range(0, copies * _SHIFT.days + 31, 28):
        connection.execute("SELECT create_event_partition(%s::date)", [end - timedelta(day)])


def _copy_events(connection: Connection, copies: int, progress: Progress) -> None:
    """The oldest copy first, so that rows lie in the order of time, as they would have come in."""
    seeds = connection.execute("SELECT n, event FROM seeds ORDER BY n").fetchall()
    for done, copy in enumerate(range(copies - 1, 0, -1), 1):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE copied")
            with cursor.copy("COPY copied FROM STDIN (FORMAT binary)") as into:
                into.set_types(["int8", "text", "text", "bytea"])
                for n, packed in seeds:
                    event = _copied(events.decode(packed), copy)
                    into.write_row((n, event.event_id, event.user_key, events.encode(event)))
            cursor.execute("ANALYZE copied")
            cursor.execute(_EVENTS, {"shift": copy * _SHIFT, "copy": copy})
        progress.moved("multiplying", (done + 1) * len(seeds), copies * len(seeds))


def _copied(event: LoginEvent, copy: int) -> LoginEvent:
    user = event.user
    if user.name:
        user = replace(user, name=_named(user.name, copy), id=_named(user.id, copy))
    return replace(event, event_id=f"{event.event_id}~{copy}", time=event.time - copy * SPAN, user=user)


def _named(name: str, copy: int) -> str:
    """What somebody is called in a copy."""
    variant = copy % VARIANTS
    return f"{name}.{variant}" if variant and name not in (ROBOT.name, ROBOT.id) else name


def _copy_anomalies(connection: Connection, copies: int) -> None:
    found = [
        (id, anomalies.decode(body))
        for id, body in connection.execute("SELECT id, body::text FROM anomalies")
    ]
    connection.execute("CREATE TEMP TABLE found (seed text, copy integer, id text, subject text, body text)")
    with connection.cursor() as cursor, cursor.copy("COPY found FROM STDIN") as into:
        for copy in range(1, copies):
            for seed, anomaly in found:
                other = _moved(anomaly, copy)
                into.write_row((seed, copy, other.id, other.subject, anomalies.encode(other).decode()))
    connection.execute(_ANOMALIES, {"shift": _SHIFT})


def _moved(anomaly: Anomaly, copy: int) -> Anomaly:
    shift, named = copy * SPAN, anomaly.subject_kind == "user"
    return replace(
        anomaly,
        id=content_digest(anomaly.id, str(copy)).hex(),
        subject=_named(anomaly.subject, copy) if named else anomaly.subject,
        slot=anomaly.slot - shift,
        first_seen=anomaly.first_seen - shift,
        last_seen=anomaly.last_seen - shift,
        peak=anomaly.peak - shift if anomaly.peak else 0,
        event_id=f"{anomaly.event_id}~{copy}" if anomaly.event_id else "",
    )
