-- What was stored since, in the order it was stored: per partition and per lane of the outbox.

-- name: heads
SELECT part, next_offset, out_seq FROM partitions WHERE topic = %(topic)s
UNION ALL SELECT lane, 0, out_seq FROM outbox_lanes

-- name: floors
SELECT part, events, outbox FROM stream_floors(%(topic)s)

-- name: events
SELECT r.part, e.off, e.event, e.assessment::text, e.context, e.received_at, e.stored_at, e.late, e.weight, e.held,
    e.generation, r.part, e.off
FROM unnest(%(parts)s::integer[], %(sinces)s::bigint[], %(untils)s::bigint[]) AS r (part, since, until)
CROSS JOIN LATERAL (
    SELECT off, event, assessment, context, received_at, stored_at, late, weight, held, generation
    FROM login_events
    WHERE tenant_id = current_setting('gatewatch.tenant') AND part = r.part AND off >= r.since AND off < r.until
    ORDER BY off
    LIMIT %(each)s) AS e
ORDER BY r.part, e.off

-- name: waiting
SELECT count(*) FROM (
    SELECT FROM unnest(%(parts)s::integer[], %(sinces)s::bigint[], %(untils)s::bigint[]) AS r (part, since, until)
    CROSS JOIN LATERAL (
        SELECT FROM login_events
        WHERE tenant_id = current_setting('gatewatch.tenant') AND part = r.part AND off >= r.since AND off < r.until
        LIMIT %(most)s) AS e
    LIMIT %(most)s) AS found

-- name: anomalies
-- A version is told as it was written, a status with the anomaly as it is now. The limits keep the anomaly's id from being
-- read out of the message again for every pair of a message and an anomaly (measured: 8 s a page instead of 20 ms).
SELECT r.lane, m.seq, m.topic, m.text, a.body::text, a.opened_at,
    CASE m.topic WHEN %(versions)s THEN m.created_at ELSE a.updated_at END,
    s.status, s.revision, s.hits, s.changed_at, s.changed_by
FROM unnest(%(parts)s::integer[], %(sinces)s::bigint[], %(untils)s::bigint[]) AS r (lane, since, until)
CROSS JOIN LATERAL (
    SELECT seq, topic, created_at, convert_from(value, 'UTF8') AS text,
        convert_from(value, 'UTF8')::json ->> CASE topic WHEN %(versions)s THEN 'id' ELSE 'anomaly' END AS id
    FROM outbox
    WHERE tenant_id = current_setting('gatewatch.tenant') AND part = r.lane AND seq > r.since AND seq <= r.until
      AND topic IN (%(versions)s, %(statuses)s)
    ORDER BY seq
    LIMIT %(each)s) AS m
CROSS JOIN LATERAL (
    SELECT body, opened_at, updated_at FROM anomalies
    WHERE tenant_id = current_setting('gatewatch.tenant') AND id = m.id
    LIMIT 1) AS a
LEFT JOIN anomaly_statuses s ON s.tenant_id = current_setting('gatewatch.tenant') AND s.id = m.id
ORDER BY r.lane, m.seq
