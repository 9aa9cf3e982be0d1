-- name: swap
UPDATE partitions
SET next_offset = %(to)s, out_seq = out_seq + %(out)s, lease_until = greatest(lease_until, clock_timestamp() + %(lease)s)
WHERE topic = %(topic)s AND part = %(part)s AND epoch = %(epoch)s AND owner = %(owner)s AND next_offset = %(from)s
RETURNING out_seq

-- name: stage_events
CREATE TEMPORARY TABLE IF NOT EXISTS staged_events (
    tenant_id text, event_id text, time bigint, received_at bigint, source text, activity text, outcome text, reason_class text,
    user_key text, ip text, asn bigint, country text, score int2, level text, detectors text[], late boolean, weight int2,
    held boolean, off bigint, digest bytea, context bytea, event bytea, assessment text, raw bytea
) ON COMMIT DELETE ROWS

-- name: copy_events
COPY staged_events FROM STDIN WITH (FORMAT binary)

-- name: insert_events
INSERT INTO login_events (tenant_id, event_id, time, received_at, source, activity, outcome, reason_class, user_key, ip, asn,
    country, score, level, detectors, late, weight, held, generation, part, off, digest, context, event, assessment, raw)
SELECT tenant_id, event_id, 'epoch'::timestamptz + time * interval '1 microsecond',
    'epoch'::timestamptz + received_at * interval '1 microsecond', source, activity, outcome, reason_class, user_key, ip::inet, asn,
    country, score, level, detectors, late, weight, held, %(generation)s, %(part)s, off, digest, context, event, assessment::json, raw
FROM staged_events

-- name: roll_activity
-- Each partition's own rows, added to what is there: the transaction is done once or not at all.
INSERT INTO activity AS a (tenant_id, bucket, part, events, successes, failures, signalled)
SELECT tenant_id, 'epoch'::timestamptz + bucket * interval '10 minutes', %(part)s, count(*),
    count(*) FILTER (WHERE outcome = 'success'), count(*) FILTER (WHERE outcome = 'failure'),
    count(*) FILTER (WHERE detectors <> '{}')
FROM (SELECT tenant_id, time / 600000000 AS bucket, outcome, detectors FROM staged_events) AS s
GROUP BY tenant_id, bucket
ORDER BY tenant_id, bucket
ON CONFLICT (tenant_id, bucket, part) DO UPDATE SET events = a.events + excluded.events,
    successes = a.successes + excluded.successes, failures = a.failures + excluded.failures,
    signalled = a.signalled + excluded.signalled

-- name: roll_values
INSERT INTO activity_values AS a (tenant_id, kind, bucket, part, value, events, failures, signalled, others)
SELECT tenant_id, kind, 'epoch'::timestamptz + hour * interval '1 hour', %(part)s, value, events, failures, signalled, others
FROM (
    SELECT tenant_id, hour,
        CASE WHEN grouping(country) = 0 THEN 'country' WHEN grouping(asn) = 0 THEN 'asn'
            WHEN grouping(suspect) = 0 THEN 'user' ELSE 'ip' END AS kind,
        coalesce(country, asn::text, suspect, suspect_ip) AS value,
        count(*) AS events, count(*) FILTER (WHERE failed) AS failures, count(*) FILTER (WHERE signalled) AS signalled,
        count(*) FILTER (WHERE other) AS others
    FROM (SELECT tenant_id, time / 3600000000 AS hour, nullif(country, '') AS country, nullif(asn, 0) AS asn,
              failed, signalled, other,
              CASE WHEN signalled THEN user_key END AS suspect,
              CASE WHEN failed OR signalled THEN host(ip::inet) END AS suspect_ip
          FROM (SELECT *, outcome = 'failure' AS failed, outcome NOT IN ('success', 'failure') AS other,
                    detectors <> '{}' AS signalled FROM staged_events) AS told) AS s
    GROUP BY tenant_id, hour, GROUPING SETS ((country), (asn), (suspect), (suspect_ip))
    UNION ALL
    SELECT tenant_id, time / 3600000000, 'detector', d, count(*), count(*) FILTER (WHERE outcome = 'failure'), count(*),
        count(*) FILTER (WHERE outcome NOT IN ('success', 'failure'))
    FROM staged_events CROSS JOIN LATERAL (SELECT DISTINCT unnest(detectors) AS d) AS each
    WHERE detectors <> '{}'
    GROUP BY 1, 2, 4) AS counted
WHERE value IS NOT NULL
ORDER BY tenant_id, kind, hour, value
ON CONFLICT (tenant_id, kind, bucket, part, value) DO UPDATE SET events = a.events + excluded.events,
    failures = a.failures + excluded.failures, signalled = a.signalled + excluded.signalled,
    others = a.others + excluded.others

-- name: stage_profiles
CREATE TEMPORARY TABLE IF NOT EXISTS staged_profiles (
    tenant_id text, user_key text, state bytea, name text, user_id text, last_seen bigint, risk float8, has_history boolean
) ON COMMIT DELETE ROWS

-- name: copy_profiles
COPY staged_profiles FROM STDIN WITH (FORMAT binary)

-- name: upsert_profiles
INSERT INTO profiles AS p (tenant_id, user_key, state, name, user_id, last_seen, risk, has_history, part, expires_at)
SELECT tenant_id, user_key, state, name, user_id, 'epoch'::timestamptz + last_seen * interval '1 microsecond', risk,
    has_history, %(part)s, CASE WHEN NOT has_history THEN greatest(date_trunc('day', now()),
        'epoch'::timestamptz + last_seen * interval '1 microsecond') + interval '10 days' END
FROM staged_profiles
ON CONFLICT (tenant_id, user_key) DO UPDATE SET state = excluded.state, name = excluded.name, user_id = excluded.user_id,
    last_seen = excluded.last_seen, risk = excluded.risk, has_history = excluded.has_history, part = excluded.part,
    expires_at = excluded.expires_at

-- name: stage_buckets
CREATE TEMPORARY TABLE IF NOT EXISTS staged_buckets (
    tenant_id text, kind text, value text, bucket bigint, state bytea
) ON COMMIT DELETE ROWS

-- name: copy_buckets
COPY staged_buckets FROM STDIN WITH (FORMAT binary)

-- name: upsert_buckets
INSERT INTO source_activity AS s (tenant_id, kind, value, part, bucket, state, written_at)
SELECT tenant_id, kind, value, %(part)s, bucket, state, %(written)s FROM staged_buckets
ON CONFLICT (tenant_id, kind, value, part, bucket) DO UPDATE SET state = excluded.state, written_at = excluded.written_at

-- name: delete_buckets
-- The source's view remembers which days lost something: what is left of a day can look like what the whole never was.
WITH gone AS (
    DELETE FROM source_activity WHERE ctid = ANY (ARRAY(
        SELECT s.ctid FROM source_activity s
        WHERE s.part = %(part)s AND s.written_at < %(before)s
          AND NOT EXISTS (SELECT FROM review_queue q WHERE (q.tenant_id, q.kind, q.value) = (s.tenant_id, s.kind, s.value))
        LIMIT 5000))
    RETURNING tenant_id, kind, value, bucket
), days AS (
    SELECT tenant_id, kind, value, array_agg(DISTINCT bucket / 144) AS lost FROM gone GROUP BY tenant_id, kind, value
), remembered AS (
    UPDATE source_view v
    SET lost = ARRAY(SELECT DISTINCT day FROM unnest(v.lost || days.lost) AS day ORDER BY day DESC LIMIT 64)
    FROM days WHERE (v.tenant_id, v.kind, v.value) = (days.tenant_id, days.kind, days.value)
)
SELECT tenant_id, kind, value, bucket FROM gone

-- name: delete_expired_users
DELETE FROM profiles WHERE part = %(part)s AND NOT has_history AND expires_at < now()
RETURNING tenant_id, user_key

-- name: upsert_counts
INSERT INTO value_counts AS c (tenant_id, part, attribute, value, n)
SELECT u.tenant_id, %(part)s, u.attribute, u.value, u.n
FROM unnest(%(tenants)b::text[], %(attributes)b::text[], %(values)b::text[], %(ns)b::bigint[]) AS u (tenant_id, attribute, value, n)
ON CONFLICT (tenant_id, part, attribute, value) DO UPDATE SET n = excluded.n

-- name: upsert_sketches
INSERT INTO value_sketches AS c (tenant_id, part, attribute, chunk, counters)
SELECT u.tenant_id, %(part)s, u.attribute, u.chunk, u.counters
FROM unnest(%(tenants)b::text[], %(attributes)b::text[], %(chunks)b::integer[], %(counters)b::bytea[]) AS u (tenant_id, attribute, chunk, counters)
ON CONFLICT (tenant_id, part, attribute, chunk) DO UPDATE SET counters = excluded.counters

-- name: upsert_queue
INSERT INTO review_queue AS q (tenant_id, kind, value, part, subject_hash, owner_part, upto, lo, hi, due_at)
SELECT u.tenant_id, u.kind, u.value, %(part)s, u.hash, u.hash %% %(partitions)s, u.upto, u.lo, u.hi, u.due_at
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(hashes)b::integer[], %(uptos)b::bigint[], %(los)b::bigint[],
    %(his)b::bigint[], %(due)b::timestamptz[]) AS u (tenant_id, kind, value, hash, upto, lo, hi, due_at)
ON CONFLICT (tenant_id, kind, value, part) DO UPDATE SET upto = excluded.upto, lo = least(q.lo, excluded.lo),
    hi = greatest(q.hi, excluded.hi), due_at = excluded.due_at

-- name: insert_controls
INSERT INTO control_records (tenant_id, id, user_key, kind, body, policy, known, assessment, generation, part, off)
SELECT u.tenant_id, u.id, u.user_key, u.kind, u.body, u.policy, u.known, u.assessment::json, %(generation)s, %(part)s, u.off
FROM unnest(%(tenants)b::text[], %(ids)b::text[], %(keys)b::text[], %(kinds)b::text[], %(bodies)b::bytea[], %(policies)b::integer[],
    %(known)b::boolean[], %(assessments)b::text[], %(offs)b::bigint[]) AS u (tenant_id, id, user_key, kind, body, policy, known, assessment, off)

-- name: insert_dead
INSERT INTO dead_letters (tenant_id, id, source, reason, detail, raw, size, sha256, topic, part, off, received_at)
SELECT u.tenant_id, u.id, u.source, u.reason, u.detail, u.raw, u.size, u.sha256, %(topic)s, %(part)s, u.off,
    'epoch'::timestamptz + u.received * interval '1 microsecond'
FROM unnest(%(tenants)b::text[], %(ids)b::text[], %(sources)b::text[], %(reasons)b::text[], %(details)b::text[], %(raws)b::bytea[],
    %(sizes)b::bigint[], %(sha256s)b::text[], %(offs)b::bigint[], %(received)b::bigint[])
    AS u (tenant_id, id, source, reason, detail, raw, size, sha256, off, received)
ON CONFLICT DO NOTHING

-- name: insert_conflicts
INSERT INTO event_conflicts (tenant_id, event_id, digest, raw, received_at)
SELECT u.tenant_id, u.event_id, u.digest, u.raw, 'epoch'::timestamptz + u.received * interval '1 microsecond'
FROM unnest(%(tenants)b::text[], %(ids)b::text[], %(digests)b::bytea[], %(raws)b::bytea[], %(received)b::bigint[])
    AS u (tenant_id, event_id, digest, raw, received)
ON CONFLICT DO NOTHING

-- name: upsert_anomalies
INSERT INTO anomalies AS a (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score, first_seen, last_seen, version, body)
SELECT u.tenant_id, u.id, u.subject_kind, u.subject, u.detector, 'epoch'::timestamptz + u.slot * interval '1 microsecond', u.state,
    u.severity, u.score, 'epoch'::timestamptz + u.first_seen * interval '1 microsecond',
    'epoch'::timestamptz + u.last_seen * interval '1 microsecond', u.version, u.body::json
FROM unnest(%(tenants)b::text[], %(ids)b::text[], %(kinds)b::text[], %(subjects)b::text[], %(detectors)b::text[], %(slots)b::bigint[],
    %(states)b::text[], %(severities)b::text[], %(scores)b::int2[], %(firsts)b::bigint[], %(lasts)b::bigint[], %(versions)b::integer[],
    %(bodies)b::text[]) AS u (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score, first_seen, last_seen, version, body)
ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, severity = excluded.severity, score = excluded.score,
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, version = excluded.version, body = excluded.body, updated_at = now()

-- name: insert_outbox
INSERT INTO outbox (part, seq, tenant_id, topic, key, value)
SELECT %(part)s, %(seq)s + u.at, u.tenant_id, u.topic, u.key, u.value
FROM unnest(%(tenants)b::text[], %(topics)b::text[], %(keys)b::text[], %(values)b::bytea[]) WITH ORDINALITY AS u (tenant_id, topic, key, value, at)

-- name: upsert_tallies
INSERT INTO import_results AS r (tenant_id, origin, part, events, duplicates, conflicts, dead_letters, controls)
SELECT u.tenant_id, u.origin, %(part)s, u.events, u.duplicates, u.conflicts, u.dead_letters, u.controls
FROM unnest(%(tenants)b::text[], %(origins)b::text[], %(events)b::bigint[], %(duplicates)b::bigint[], %(conflicts)b::bigint[],
    %(dead)b::bigint[], %(controls)b::bigint[]) AS u (tenant_id, origin, events, duplicates, conflicts, dead_letters, controls)
ON CONFLICT (tenant_id, origin, part) DO UPDATE SET events = r.events + excluded.events, duplicates = r.duplicates + excluded.duplicates,
    conflicts = r.conflicts + excluded.conflicts, dead_letters = r.dead_letters + excluded.dead_letters,
    controls = r.controls + excluded.controls, updated_at = now()

-- name: insert_gap
INSERT INTO log_gaps (topic, part, from_offset, to_offset) VALUES (%(topic)s, %(part)s, %(from)s, %(to)s) ON CONFLICT DO NOTHING

-- name: upsert_views
INSERT INTO source_view AS v (tenant_id, kind, value, shares, findings, attacked)
SELECT u.tenant_id, u.kind, u.value, u.shares, u.findings, u.attacked
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(shares)b::bytea[], %(findings)b::bytea[], %(attacked)b::boolean[])
    AS u (tenant_id, kind, value, shares, findings, attacked)
ON CONFLICT (tenant_id, kind, value) DO UPDATE SET shares = excluded.shares, findings = excluded.findings,
    attacked = excluded.attacked, written_at = now()

-- name: insert_doubts
INSERT INTO doubts (tenant_id, finding, event_id)
SELECT * FROM unnest(%(tenants)b::text[], %(findings)b::text[], %(ids)b::text[])
ON CONFLICT DO NOTHING

-- name: delete_queue
-- Row by row in the order of the arrays (joins but nested loops are off), the order in which batches upsert: no deadlock.
DELETE FROM review_queue q
USING unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(parts)b::integer[], %(uptos)b::bigint[])
    AS u (tenant_id, kind, value, part, upto)
WHERE (q.tenant_id, q.kind, q.value, q.part, q.upto) = (u.tenant_id, u.kind, u.value, u.part, u.upto)
