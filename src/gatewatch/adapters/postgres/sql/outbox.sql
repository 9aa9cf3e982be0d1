-- name: unrelayed
-- The first of each lane, then the second of each, until there are enough bytes; at least one message.
SELECT part, seq, tenant_id, topic, key, value
FROM (SELECT t.part, o.*, sum(octet_length(o.value)) OVER (ORDER BY o.nth, t.part) - octet_length(o.value) AS before
      FROM (SELECT part FROM partitions WHERE topic = %(topic)s UNION ALL SELECT lane FROM outbox_lanes) AS t
      LEFT JOIN outbox_positions p USING (part)
      CROSS JOIN LATERAL (SELECT seq, tenant_id, topic, key, value, row_number() OVER (ORDER BY seq) AS nth FROM outbox
                          WHERE part = t.part AND seq > coalesce(p.seq, 0) ORDER BY seq LIMIT %(limit)s) AS o) AS waiting
WHERE before < %(size)s
ORDER BY part, seq

-- name: standing
SELECT a.tenant_id, a.id, a.body::text, coalesce(s.status, 'new'), coalesce(s.revision, 0)
FROM unnest(%(tenants)b::text[], %(ids)b::text[]) AS k (tenant_id, id)
JOIN anomalies a USING (tenant_id, id) LEFT JOIN anomaly_statuses s USING (tenant_id, id)

-- name: relayed
INSERT INTO outbox_positions AS p (part, seq) SELECT * FROM unnest(%(parts)b::integer[], %(seqs)b::bigint[])
ON CONFLICT (part) DO UPDATE SET seq = greatest(p.seq, excluded.seq)

-- name: lanes
SELECT t.part, t.out_seq - coalesce(p.seq, 0),
    coalesce((SELECT greatest(0, extract(epoch FROM clock_timestamp() - o.created_at))
              FROM outbox o WHERE o.part = t.part AND o.seq > coalesce(p.seq, 0) ORDER BY o.seq LIMIT 1), 0)::float8
FROM (SELECT part, out_seq FROM partitions WHERE topic = %(topic)s UNION ALL SELECT lane, out_seq FROM outbox_lanes) AS t
LEFT JOIN outbox_positions p USING (part)
ORDER BY t.part

-- name: owned
SELECT count(*) FILTER (WHERE owner IS NOT NULL AND lease_until >= clock_timestamp()),
    count(*) FILTER (WHERE owner IS NOT NULL AND lease_until < clock_timestamp()), count(*) FILTER (WHERE owner IS NULL)
FROM partitions WHERE topic = %(topic)s

-- name: forget
DELETE FROM outbox o USING outbox_positions p
WHERE o.part = p.part AND o.seq <= p.seq AND o.created_at < now() - %(keep)s

-- name: segment
SELECT (SELECT sum(end_offset) FROM log_heads WHERE topic = t.topic)
     - coalesce((SELECT sum(e) FROM log_segments s, unnest(s.ends) AS e WHERE s.topic = t.topic AND s.segment = t.segment - 1), 0),
    extract(epoch FROM now() - rolled_at)::float8
FROM topics t WHERE t.topic = %(topic)s

-- name: roll
SELECT log_roll(%(topic)s)

-- name: drop
SELECT log_drop(%(topic)s, %(keep)s)

-- name: forget_decisions
-- Those of the months that were dropped, some thousands at a time.
DELETE FROM decisions WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM decisions WHERE decided_at < date_trunc('month', now() - %(keep)s, 'UTC') ORDER BY decided_at LIMIT 5000))

-- name: drop_events
SELECT drop_event_partitions(now() - %(keep)s)
