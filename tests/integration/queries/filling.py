"""Rows by the hundred thousand, generated in the database: what plans are chosen for.

From January to April 2026 two tenants have `EVENTS` events each: 4,000 users of whom most leave one by one, 3,000
addresses in 600 prefixes, 300 networks, 15% failures, 3% with a signal of one of four detectors. What is asked for in
the tests exists and is rare.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

TENANT = "acme"
EVENTS = 150_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 5, 1, tzinfo=UTC)
STEP = (END - BEGIN) / EVENTS
#: Where the lists of the tests end: in the middle of a month.
NOW = datetime(2026, 4, 15, tzinfo=UTC)
DAY = timedelta(days=1)

_EVENTS = """
INSERT INTO login_events (tenant_id, event_id, time, received_at, source, activity, outcome, user_key, ip, asn, country,
    score, level, detectors, late, weight, held, generation, part, off, digest, context, event, assessment, raw)
SELECT tenant, md5(tenant || i), %(begin)s + i * %(step)s::interval, now(), 'native', 'logon',
    CASE WHEN i %% 1009 = 0 THEN 'challenge' WHEN i %% 7 = 0 THEN 'failure' ELSE 'success' END,
    'user' || CASE WHEN i * 7919 %% 4000 >= i / (%(events)s / 3600) THEN i * 7919 %% 4000 ELSE 3600 + i %% 400 END,
    ('10.' || i * 7919 %% 600 / 200 || '.' || i * 7919 %% 200 || '.' || i %% 5 + 1)::inet,
    64000 + i * 31 %% 300,
    CASE WHEN i %% 997 = 0 THEN 'NG' WHEN i %% 5 = 0 THEN 'SE' ELSE 'NO' END,
    CASE WHEN i %% 33 = 0 THEN 10 + i %% 90 ELSE 0 END, 'none',
    CASE WHEN i %% 33 = 0
        THEN ARRAY[(ARRAY['new_device', 'brute_force', 'unusual_time', 'impossible_travel'])[i / 33 %% 4 + 1]]
        ELSE '{}' END,
    false, 8, false, 1, i %% 8, i, '\\x00', '\\x00', '\\x00', '{}', '\\x00'
FROM unnest(ARRAY['acme', 'other']) AS tenant, generate_series(0, %(events)s - 1) AS i
"""

_ANOMALIES = """
INSERT INTO anomalies (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score, first_seen,
    last_seen, version, body)
SELECT tenant, md5(tenant || i), CASE WHEN i %% 4 = 0 THEN 'ip' ELSE 'user' END, 'user' || i %% 500,
    (ARRAY['new_device', 'brute_force', 'unusual_time', 'impossible_travel'])[i %% 4 + 1], date_trunc('day', seen),
    CASE WHEN i %% 50 = 0 THEN 'withdrawn' ELSE 'open' END,
    (ARRAY['low', 'medium', 'high', 'critical'])[i %% 11 / 3 + 1], 50, seen - interval '1 hour', seen, 1, '{}'
FROM unnest(ARRAY['acme', 'other']) AS tenant, generate_series(0, 19999) AS i,
    LATERAL (SELECT %(begin)s + i * interval '8 minutes' AS seen) AS s
"""

_USERS = """
INSERT INTO profiles (tenant_id, user_key, state, name, user_id, last_seen, risk, has_history, part)
SELECT tenant_id, user_key, '\\x00', user_key, '', max(time), CASE WHEN max(score) > 0 THEN log(2, max(score))
    + extract(epoch FROM max(time)) / 604800 ELSE '-infinity'::float8 END, true, 0
FROM login_events GROUP BY tenant_id, user_key
"""

_DEAD_LETTERS = """
INSERT INTO dead_letters (tenant_id, id, source, reason, detail, raw, size, sha256, received_at)
SELECT tenant, md5(tenant || i), 'native', CASE WHEN i %% 10 = 0 THEN 'no_time' ELSE 'bad_json' END, '', '', 0, '',
    %(begin)s + i * interval '8 minutes'
FROM unnest(ARRAY['acme', 'other']) AS tenant, generate_series(0, 19999) AS i
"""


_ACTIVITY = """
INSERT INTO activity (tenant_id, bucket, part, events, successes, failures, signalled)
SELECT tenant_id, date_bin('10 minutes', time, 'epoch'::timestamptz), part, count(*),
    count(*) FILTER (WHERE outcome = 'success'), count(*) FILTER (WHERE outcome = 'failure'),
    count(*) FILTER (WHERE detectors <> '{}')
FROM login_events GROUP BY 1, 2, 3
"""

_VALUES = """
INSERT INTO activity_values (tenant_id, kind, bucket, part, value, events, failures, signalled)
SELECT tenant_id, kind, date_bin('1 hour', time, 'epoch'::timestamptz), part, value, count(*),
    count(*) FILTER (WHERE outcome = 'failure'), 0
FROM login_events,
    LATERAL (VALUES ('asn', asn::text), ('ip', host(ip)), ('country', country), ('detector', detectors[1]),
        ('user', CASE WHEN detectors <> '{}' THEN user_key END))
        AS v (kind, value)
WHERE value IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
"""


def fill(connection: psycopg.Connection[Any]) -> None:
    """Fill the tables, and let PostgreSQL look at what is in them."""
    connection.execute("SET ROLE gatewatch_worker")
    for month in range(1, 6):
        connection.execute("SELECT create_event_partition(make_date(2026, %s, 1))", [month])
    values = {"begin": BEGIN, "step": STEP, "events": EVENTS}
    for statement in (_EVENTS, _ANOMALIES, _USERS, _DEAD_LETTERS, _ACTIVITY, _VALUES):
        connection.execute(statement.encode(), values)
    connection.execute("RESET ROLE")
    connection.execute("VACUUM ANALYZE")
