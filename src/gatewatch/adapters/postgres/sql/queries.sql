-- What people ask. Filters that are NULL do not filter; the role sees the rows of one tenant only, yet the tenant is
-- named as well, so that the indexes that begin with it are used. `at` and `after` are the position a page begins behind;
-- the time alone is compared as well, which keeps later months out of the plan.

-- name: anomalies
-- An id is of hex digits, so what begins with some of them lies before the same with a "g": the key finds it. What is no
-- hex is compared as the database's language has it, hence the last condition.
SELECT a.body::text, a.opened_at, a.updated_at, s.status, s.revision, s.hits, s.changed_at, s.changed_by
FROM anomalies a
LEFT JOIN anomaly_statuses s ON s.tenant_id = a.tenant_id AND s.id = a.id
WHERE a.tenant_id = current_setting('gatewatch.tenant')
  AND (%(since)s::timestamptz IS NULL OR a.last_seen >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR a.last_seen < %(until)s)
  AND (%(at)s::timestamptz IS NULL OR (a.last_seen, a.id) < (%(at)s, %(after)s::text))
  AND (%(detector)s::text IS NULL OR a.detector = %(detector)s)
  AND (%(severities)s::text[] IS NULL OR a.severity = ANY(%(severities)s))
  AND (%(subject_kind)s::text IS NULL OR a.subject_kind = %(subject_kind)s)
  AND (%(subject)s::text IS NULL OR a.subject = %(subject)s)
  AND (%(state)s::text IS NULL OR a.state = %(state)s)
  AND (%(statuses)s::text[] IS NULL OR coalesce(s.status, 'new') = ANY(%(statuses)s))
  AND (%(event_id)s::text IS NULL OR a.body ->> 'event_id' = %(event_id)s)
  AND (%(id)s::text IS NULL OR a.id >= %(id)s AND a.id < %(id)s || 'g' AND starts_with(a.id, %(id)s))
ORDER BY a.last_seen DESC, a.id DESC
LIMIT %(limit)s

-- name: events
-- An event with a score has a signal: said so that the index of events with signals is used.
SELECT event, assessment::text, context, received_at, stored_at, late, weight, held, generation, part, off
FROM login_events
WHERE tenant_id = current_setting('gatewatch.tenant')
  AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR time < %(until)s)
  AND (%(at)s::timestamptz IS NULL OR time <= %(at)s AND (time, event_id) < (%(at)s, %(after)s::text))
  AND (%(event_id)s::text IS NULL OR event_id = %(event_id)s)
  AND (%(user)s::text IS NULL OR user_key = %(user)s)
  AND (%(prefix)s::cidr IS NULL OR prefix = %(prefix)s)
  AND (%(low)s::inet IS NULL OR ip BETWEEN %(low)s AND %(high)s::inet)
  AND (%(asn)s::bigint IS NULL OR asn = %(asn)s)
  AND (%(country)s::text IS NULL OR country = %(country)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
  AND (%(detector)s::text IS NULL OR detectors <> '{}' AND %(detector)s = ANY(detectors))
  AND (%(min_score)s::integer IS NULL OR %(min_score)s <= 0 OR detectors <> '{}' AND score >= %(min_score)s)
ORDER BY time DESC, event_id DESC
LIMIT %(limit)s

-- name: events_in_hours
-- What is rare among the values of a column is looked for in the hours that the counts name, the latest first; OFFSET 0
-- keeps these in their order. What has no number (0) is not counted; of a user what had a signal is. An hour gives no more
-- rows than the page takes.
SELECT e.event, e.assessment, e.context, e.received_at, e.stored_at, e.late, e.weight, e.held, e.generation, e.part, e.off
FROM (SELECT generate_series(date_bin('1 hour', least(%(until)s::timestamptz, %(at)s::timestamptz, latest), 'epoch'::timestamptz),
          date_bin('1 hour', greatest(%(since)s::timestamptz, earliest), 'epoch'::timestamptz), interval '-1 hour') AS hour
      FROM (SELECT min(bucket) AS earliest, max(bucket) AS latest FROM activity
            WHERE tenant_id = current_setting('gatewatch.tenant')) AS counted
      WHERE latest IS NOT NULL
      ORDER BY hour DESC OFFSET 0) AS h
CROSS JOIN LATERAL (
    SELECT event, assessment::text, context, received_at, stored_at, late, weight, held, generation, part, off, time, event_id
    FROM login_events
    WHERE tenant_id = current_setting('gatewatch.tenant')
      AND time >= h.hour AND time < h.hour + interval '1 hour'
      AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR time < %(until)s)
      AND (%(at)s::timestamptz IS NULL OR time <= %(at)s AND (time, event_id) < (%(at)s, %(after)s::text))
      AND (%(user)s::text IS NULL OR user_key = %(user)s)
      AND (%(asn)s::bigint IS NULL OR asn = %(asn)s)
      AND (%(country)s::text IS NULL OR country = %(country)s)
      AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
      AND (%(detector)s::text IS NULL OR detectors <> '{}' AND %(detector)s = ANY(detectors))
      AND (%(min_score)s::integer IS NULL OR %(min_score)s <= 0 OR detectors <> '{}' AND score >= %(min_score)s)
    ORDER BY time DESC, event_id DESC
    LIMIT %(limit)s) AS e
WHERE (%(asn)s::bigint IS NULL OR %(asn)s = 0 OR EXISTS (
      SELECT FROM activity_values
      WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = 'asn' AND value = %(asn)s::text AND events > 0
        AND (%(since)s::timestamptz IS NULL OR bucket > %(since)s - interval '1 hour') AND bucket = h.hour
        AND (%(outcome)s::text IS NULL OR CASE %(outcome)s WHEN 'failure' THEN failures ELSE events - failures END > 0)))
  AND (%(country)s::text IS NULL OR EXISTS (
      SELECT FROM activity_values
      WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = 'country' AND value = %(country)s AND events > 0
        AND (%(since)s::timestamptz IS NULL OR bucket > %(since)s - interval '1 hour') AND bucket = h.hour
        AND (%(outcome)s::text IS NULL OR CASE %(outcome)s WHEN 'failure' THEN failures ELSE events - failures END > 0)))
  AND (%(detector)s::text IS NULL OR EXISTS (
      SELECT FROM activity_values
      WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = 'detector' AND value = %(detector)s AND events > 0
        AND (%(since)s::timestamptz IS NULL OR bucket > %(since)s - interval '1 hour') AND bucket = h.hour
        AND (%(outcome)s::text IS NULL OR CASE %(outcome)s WHEN 'failure' THEN failures ELSE events - failures END > 0)))
  AND (%(user)s::text IS NULL OR EXISTS (
      SELECT FROM activity_values
      WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = 'user' AND value = %(user)s AND events > 0
        AND (%(since)s::timestamptz IS NULL OR bucket > %(since)s - interval '1 hour') AND bucket = h.hour))
  AND (%(outcome)s::text IS NULL OR EXISTS (
      SELECT FROM activity
      WHERE tenant_id = current_setting('gatewatch.tenant') AND bucket >= h.hour AND bucket < h.hour + interval '1 hour'
        AND CASE %(outcome)s WHEN 'success' THEN successes WHEN 'failure' THEN failures
            ELSE events - successes - failures END > 0))
ORDER BY h.hour DESC, e.time DESC, e.event_id DESC
LIMIT %(limit)s

-- name: users_by_risk
SELECT user_key, state, name, user_id, last_seen, risk
FROM profiles
WHERE tenant_id = current_setting('gatewatch.tenant')
  AND (%(since)s::timestamptz IS NULL OR last_seen >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR last_seen < %(until)s)
  AND (%(at)s::float8 IS NULL OR (risk, user_key) < (%(at)s, %(after)s::text))
ORDER BY risk DESC, user_key DESC
LIMIT %(limit)s

-- name: users_by_last_seen
-- Found by the event that each was seen with last, since an index on what every login changes would cost each of them.
-- OFFSET 0 keeps the two apart: the events lead, in their order.
SELECT DISTINCT ON (e.time, e.user_key) p.*
FROM login_events e
CROSS JOIN LATERAL (SELECT user_key, state, name, user_id, last_seen, risk FROM profiles
                    WHERE tenant_id = current_setting('gatewatch.tenant') AND user_key = e.user_key AND last_seen = e.time
                    OFFSET 0) AS p
WHERE e.tenant_id = current_setting('gatewatch.tenant')
  AND (%(since)s::timestamptz IS NULL OR e.time >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR e.time < %(until)s)
  AND (%(at)s::timestamptz IS NULL OR e.time <= %(at)s AND (e.time, e.user_key) < (%(at)s, %(after)s::text))
ORDER BY e.time DESC, e.user_key DESC
LIMIT %(limit)s

-- name: profile
SELECT user_key, state, name, user_id, last_seen, risk FROM profiles
WHERE tenant_id = current_setting('gatewatch.tenant') AND user_key = %(user)s

-- name: controls
SELECT body, assessment::text, processed_at FROM control_records
WHERE tenant_id = current_setting('gatewatch.tenant') AND user_key = %(user)s
ORDER BY generation, part, off

-- name: buckets
SELECT part, bucket, state FROM source_activity
WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = %(kind)s AND value = %(value)s

-- name: tried
-- Of the latest events; where there are more of them, also since when.
SELECT user_key, count(*) FILTER (WHERE outcome = 'failure'), count(*) FILTER (WHERE outcome = 'success'), max(time),
    CASE WHEN sum(count(*)) OVER () = %(most)s THEN min(min(time)) OVER () END
FROM (SELECT user_key, outcome, time FROM login_events
      WHERE tenant_id = current_setting('gatewatch.tenant')
        AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR time < %(until)s)
        AND (%(prefix)s::cidr IS NULL OR prefix = %(prefix)s)
        AND ip BETWEEN %(low)s::inet AND %(high)s::inet
      ORDER BY time DESC
      LIMIT %(most)s) AS latest
GROUP BY user_key
ORDER BY 2 DESC, 3 DESC, user_key
LIMIT %(limit)s

-- name: tried_in_hours
-- The same of a network or a country, found as by events_in_hours, and in so many hours at most.
WITH hours AS MATERIALIZED (
    SELECT hour
    FROM (SELECT generate_series(date_bin('1 hour', least(%(until)s::timestamptz, latest), 'epoch'::timestamptz),
              date_bin('1 hour', greatest(%(since)s::timestamptz, earliest), 'epoch'::timestamptz), interval '-1 hour') AS hour
          FROM (SELECT min(bucket) AS earliest, max(bucket) AS latest FROM activity
                WHERE tenant_id = current_setting('gatewatch.tenant')) AS counted
          WHERE latest IS NOT NULL) AS every
    WHERE EXISTS (
        SELECT FROM activity_values
        WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = %(kind)s AND value = %(value)s AND events > 0
          AND (%(since)s::timestamptz IS NULL OR bucket > %(since)s - interval '1 hour') AND bucket = hour)
    ORDER BY hour DESC
    LIMIT %(hours)s
)
SELECT user_key, count(*) FILTER (WHERE outcome = 'failure'), count(*) FILTER (WHERE outcome = 'success'), max(time),
    CASE WHEN sum(count(*)) OVER () = %(most)s THEN min(min(time)) OVER ()
        WHEN (SELECT count(*) FROM hours) = %(hours)s THEN (SELECT min(hour) FROM hours) END
FROM (
    SELECT e.user_key, e.outcome, e.time
    FROM (SELECT hour FROM hours ORDER BY hour DESC OFFSET 0) AS h
    CROSS JOIN LATERAL (
        SELECT user_key, outcome, time
        FROM login_events
        WHERE tenant_id = current_setting('gatewatch.tenant')
          AND time >= h.hour AND time < h.hour + interval '1 hour'
          AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR time < %(until)s)
          AND (%(asn)s::bigint IS NULL OR asn = %(asn)s)
          AND (%(country)s::text IS NULL OR country = %(country)s)
        ORDER BY time DESC
        LIMIT %(most)s) AS e
    ORDER BY h.hour DESC, e.time DESC
    LIMIT %(most)s) AS latest
GROUP BY user_key
ORDER BY 2 DESC, 3 DESC, user_key
LIMIT %(limit)s

-- name: dead_letters
SELECT id, source, reason, detail, raw, size, received_at FROM dead_letters
WHERE tenant_id = current_setting('gatewatch.tenant')
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
  AND (%(at)s::timestamptz IS NULL OR (received_at, id) < (%(at)s, %(after)s::text))
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY received_at DESC, id DESC
LIMIT %(limit)s

-- name: activity
SELECT date_bin(%(step)s::interval, bucket, 'epoch'::timestamptz), sum(events)::bigint, sum(successes)::bigint,
    sum(failures)::bigint, sum(signalled)::bigint, 0
FROM activity
WHERE tenant_id = current_setting('gatewatch.tenant') AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY 1

-- name: anomaly_activity
-- Who was hit first since then was hit last since then too: the index has the last.
SELECT date_bin(%(step)s::interval, first_seen, 'epoch'::timestamptz), count(*)
FROM anomalies
WHERE tenant_id = current_setting('gatewatch.tenant') AND last_seen >= %(since)s
  AND first_seen >= %(since)s AND first_seen < %(until)s AND state = 'open'
GROUP BY 1

-- name: activity_of_addresses
SELECT date_bin(%(step)s::interval, time, 'epoch'::timestamptz), count(*), count(*) FILTER (WHERE outcome = 'success'),
    count(*) FILTER (WHERE outcome = 'failure')
FROM login_events
WHERE tenant_id = current_setting('gatewatch.tenant')
  AND time >= %(since)s AND time < %(until)s
  AND (%(prefix)s::cidr IS NULL OR prefix = %(prefix)s)
  AND ip BETWEEN %(low)s::inet AND %(high)s::inet
GROUP BY 1
ORDER BY 1

-- name: activity_of_value
-- Of a network or a country; by whole hours.
SELECT date_bin(%(step)s::interval, bucket, 'epoch'::timestamptz), sum(events)::bigint,
    sum(events - failures - others)::bigint, sum(failures)::bigint
FROM activity_values
WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = %(kind)s AND value = %(value)s AND events > 0
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY 1
ORDER BY 1

-- name: top
-- What an hour counts is no more than an integer holds; added up as such it takes two thirds of the time.
SELECT value, sum(events::integer), sum(failures::integer), sum(signalled::integer)
FROM activity_values
WHERE tenant_id = current_setting('gatewatch.tenant') AND kind = %(kind)s AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY value
HAVING sum(CASE %(by)s WHEN 'events' THEN events WHEN 'failures' THEN failures ELSE signalled END::integer) > 0
ORDER BY sum(CASE %(by)s WHEN 'events' THEN events WHEN 'failures' THEN failures ELSE signalled END::integer) DESC, value
LIMIT %(limit)s

-- name: policy
SELECT body::text FROM policies WHERE tenant_id = current_setting('gatewatch.tenant') ORDER BY revision DESC LIMIT 1

-- name: pulse
SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM partitions),
    ARRAY(SELECT p.part FROM partitions p WHERE p.topic = %(topic)s ORDER BY p.part),
    ARRAY(SELECT greatest(h.end_offset - p.next_offset, 0) FROM partitions p JOIN log_heads h USING (topic, part)
          WHERE p.topic = %(topic)s ORDER BY p.part),
    (SELECT count(*) FROM members WHERE seen_at > clock_timestamp() - interval '5 seconds'),
    (SELECT count(*) FROM review_queue WHERE due_at <= now()),
    (SELECT coalesce(sum(p.out_seq - coalesce(o.seq, 0)), 0)::bigint
     FROM (SELECT part, out_seq FROM partitions WHERE topic = %(topic)s UNION ALL SELECT lane, out_seq FROM outbox_lanes) AS p
     LEFT JOIN outbox_positions o USING (part)),
    current_setting('server_version')

-- name: partitions
-- How records are spread over partitions is nobody's secret; whose they are is not told.
SELECT p.part, greatest(h.end_offset - p.next_offset, 0),
    CASE WHEN p.owner IS NULL THEN 'none' WHEN p.lease_until < clock_timestamp() THEN 'expired' ELSE 'alive' END,
    coalesce(p.owner::text, ''), CASE WHEN isfinite(p.lease_until) THEN p.lease_until END
FROM partitions p JOIN log_heads h USING (topic, part)
WHERE p.topic = %(topic)s
ORDER BY p.part

-- name: outbox
-- The role sees its own tenant's messages: the oldest is looked for among the next thousand of each lane.
SELECT coalesce(sum(l.out_seq - coalesce(p.seq, 0)), 0)::bigint, min(o.created_at)
FROM (SELECT part, out_seq FROM partitions WHERE topic = %(topic)s UNION ALL SELECT lane, out_seq FROM outbox_lanes) AS l
LEFT JOIN outbox_positions p USING (part)
LEFT JOIN LATERAL (SELECT min(created_at) AS created_at FROM outbox
                   WHERE part = l.part AND seq > coalesce(p.seq, 0) AND seq <= coalesce(p.seq, 0) + 1000) AS o ON true

-- name: newest
-- Within a partition of the log events are stored in the order of their offsets.
SELECT (SELECT max(time) FROM login_events WHERE tenant_id = current_setting('gatewatch.tenant')),
    (SELECT max(e.stored_at) FROM partitions p
     CROSS JOIN LATERAL (SELECT stored_at FROM login_events
                         WHERE tenant_id = current_setting('gatewatch.tenant') AND part = p.part
                         ORDER BY off DESC LIMIT 1) AS e
     WHERE p.topic = %(topic)s)

-- name: backlog
SELECT a.severity, coalesce(s.status, 'new'), count(*)
FROM (SELECT id, severity FROM anomalies
      WHERE tenant_id = current_setting('gatewatch.tenant')
        AND last_seen >= %(since)s AND last_seen < %(until)s AND state = 'open'
      ORDER BY last_seen DESC LIMIT %(most)s) AS a
LEFT JOIN anomaly_statuses s ON s.tenant_id = current_setting('gatewatch.tenant') AND s.id = a.id
GROUP BY 1, 2
ORDER BY 1, 2

-- name: dead_letter_count
SELECT count(*) FROM (SELECT FROM dead_letters
                      WHERE tenant_id = current_setting('gatewatch.tenant') AND received_at >= %(since)s
                      LIMIT %(most)s) AS found

-- name: totals
SELECT (SELECT coalesce(sum(events), 0)::bigint FROM activity WHERE tenant_id = current_setting('gatewatch.tenant')),
    (SELECT count(*) FROM profiles WHERE tenant_id = current_setting('gatewatch.tenant') AND has_history),
    (SELECT count(*) FROM dead_letters WHERE tenant_id = current_setting('gatewatch.tenant'))

-- name: anomaly_totals
SELECT detector, severity, count(*) FROM anomalies
WHERE tenant_id = current_setting('gatewatch.tenant') AND state = 'open'
GROUP BY detector, severity
ORDER BY detector, severity

-- name: latency
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - received_at)::float8)
FROM login_events
WHERE tenant_id = current_setting('gatewatch.tenant') AND received_at >= %(since)s
