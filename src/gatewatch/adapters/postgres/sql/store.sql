-- name: heads
SELECT part, end_offset FROM log_heads WHERE topic = %(topic)s AND part = ANY(%(parts)b)

-- name: read_log
-- At most :limit records and :bytes bytes, but always one.
SELECT off, key, value
FROM (SELECT off, key, value, sum(octet_length(value)) OVER (ORDER BY off) - octet_length(value) AS before
      FROM (SELECT off, key, value FROM event_log
            WHERE topic = %(topic)s AND part = %(part)s AND off >= %(offset)s
            ORDER BY off LIMIT %(limit)s) AS next) AS summed
WHERE before < %(bytes)s
ORDER BY off

-- name: tenants
SELECT t.tenant_id, t.salt, p.revision, p.body::text
FROM tenants t
LEFT JOIN LATERAL (SELECT revision, body FROM policies WHERE tenant_id = t.tenant_id ORDER BY revision DESC LIMIT 1) p ON true
WHERE t.tenant_id = ANY(%(ids)b)

-- name: create_tenants
INSERT INTO tenants (tenant_id) SELECT unnest(%(ids)b::text[]) ON CONFLICT DO NOTHING

-- name: policy
SELECT body::text FROM policies WHERE tenant_id = %(tenant)s AND revision = %(revision)s

-- name: stored_events_between
-- A month that was just begun has no statistics, and an index that begins with the tenant looks cheap (measured: 2 s instead
-- of 10 ms a batch). The empty string keeps the tenant out of the choice: only the unique index begins with the event's id.
SELECT event_id, digest FROM login_events
WHERE event_id = ANY(%(ids)b) AND tenant_id || '' = %(tenant)s
  AND (time >= %(since)s AND time < %(until)s OR time >= %(around_since)s AND time < %(around_until)s)

-- name: stored_events
SELECT event_id, digest FROM login_events WHERE event_id = ANY(%(ids)b) AND tenant_id || '' = %(tenant)s

-- name: stored_controls
SELECT id FROM control_records WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)b)

-- name: users
SELECT user_key, state, name, user_id, (extract(epoch FROM last_seen) * 1000000)::bigint, risk, has_history
FROM profiles WHERE tenant_id = %(tenant)s AND user_key = ANY(%(ids)b)

-- name: sources_known
SELECT DISTINCT tenant_id, kind, value FROM source_activity WHERE part = %(part)s LIMIT %(limit)s

-- name: buckets
SELECT s.tenant_id, s.kind, s.value, s.bucket, s.state
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(los)b::bigint[], %(his)b::bigint[]) AS k (tenant_id, kind, value, lo, hi)
JOIN source_activity s USING (tenant_id, kind, value)
WHERE s.part = %(part)s AND s.bucket BETWEEN k.lo AND k.hi

-- name: united_buckets
SELECT s.tenant_id, s.kind, s.value, s.part, s.bucket, s.state
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(los)b::bigint[], %(his)b::bigint[]) AS k (tenant_id, kind, value, lo, hi)
JOIN source_activity s USING (tenant_id, kind, value)
WHERE s.bucket BETWEEN k.lo AND k.hi

-- name: views
SELECT v.tenant_id, v.kind, v.value, v.shares, v.findings, v.lost
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[]) AS k (tenant_id, kind, value)
JOIN source_view v USING (tenant_id, kind, value)

-- name: attacked
SELECT tenant_id, kind, value FROM source_view
WHERE attacked AND tenant_id = ANY(%(tenants)b)
LIMIT %(limit)s

-- name: anomalies
SELECT id, body::text FROM anomalies WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)b)

-- name: findings
SELECT a.body::text
FROM unnest(%(tenants)b::text[], %(kinds)b::text[], %(values)b::text[], %(los)b::timestamptz[], %(his)b::timestamptz[]) AS k (tenant_id, kind, value, lo, hi)
JOIN anomalies a ON a.tenant_id = k.tenant_id AND a.subject_kind = k.kind AND a.subject = k.value AND a.slot BETWEEN k.lo AND k.hi
WHERE a.body ->> 'event_id' = ''

-- name: logins
SELECT event_id, event, weight, detectors FROM login_events WHERE event_id = ANY(%(ids)b) AND tenant_id || '' = %(tenant)s

-- name: value_counts
SELECT part, attribute, value, n FROM value_counts WHERE tenant_id = %(tenant)s

-- name: value_sketches
SELECT part, attribute, chunk, counters FROM value_sketches WHERE tenant_id = %(tenant)s

-- name: successes
SELECT event_id, (extract(epoch FROM time) * 1000000)::bigint, user_key
FROM login_events
WHERE tenant_id = %(tenant)s AND prefix = %(prefix)s::cidr AND ip BETWEEN %(low)s AND %(high)s AND time BETWEEN %(since)s AND %(until)s
  AND outcome = 'success' AND activity IN ('logon', 'session', 'token')
ORDER BY time, event_id LIMIT %(limit)s

-- name: succeeding_users
SELECT DISTINCT user_key
FROM login_events
WHERE tenant_id = %(tenant)s AND prefix = %(prefix)s::cidr AND ip BETWEEN %(low)s AND %(high)s AND time BETWEEN %(since)s AND %(until)s
  AND outcome = 'success' AND activity IN ('logon', 'session', 'token')
ORDER BY user_key LIMIT %(limit)s

-- name: doubted
SELECT event_id FROM doubts WHERE tenant_id = %(tenant)s AND finding = %(finding)s

-- name: queue
SELECT tenant_id, kind, value, part, upto, lo, hi FROM review_queue
WHERE owner_part = %(part)s AND due_at <= now()
ORDER BY due_at LIMIT %(limit)s
