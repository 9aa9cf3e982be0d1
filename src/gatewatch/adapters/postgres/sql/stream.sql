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
-- A version is told as it was written, a status with the anomaly as it is now.
SELECT o.lane, o.seq, o.topic, o.text, a.body::text, a.opened_at,
    CASE o.topic WHEN %(versions)s THEN o.created_at ELSE a.updated_at END,
    s.status, s.revision, s.hits, s.changed_at, s.changed_by
FROM (
    SELECT r.lane, m.seq, m.topic, m.created_at, convert_from(m.value, 'UTF8') AS text
    FROM unnest(%(parts)s::integer[], %(sinces)s::bigint[], %(untils)s::bigint[]) AS r (lane, since, until)
    CROSS JOIN LATERAL (
        SELECT seq, topic, created_at, value FROM outbox
        WHERE tenant_id = current_setting('gatewatch.tenant') AND part = r.lane AND seq > r.since AND seq <= r.until
          AND topic IN (%(versions)s, %(statuses)s)
        ORDER BY seq
        LIMIT %(each)s) AS m) AS o
JOIN anomalies a ON a.tenant_id = current_setting('gatewatch.tenant')
    AND a.id = CASE o.topic WHEN %(versions)s THEN o.text::json ->> 'id' ELSE o.text::json ->> 'anomaly' END
LEFT JOIN anomaly_statuses s ON s.tenant_id = a.tenant_id AND s.id = a.id
ORDER BY o.lane, o.seq
