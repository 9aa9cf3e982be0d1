-- name: lock
-- One revision after the other; the tenant may be new.
SELECT pg_advisory_xact_lock(hashtextextended('gatewatch policy ' || %(tenant)s, 0))

-- name: hold_topic
-- A growth beside this waits, so that every review is queued at its source's owner.
SELECT FROM topics WHERE topic = %(topic)s FOR SHARE

-- name: next_revision
SELECT coalesce(max(revision), 0) + 1 FROM policies WHERE tenant_id = %(tenant)s

-- name: insert
INSERT INTO policies (tenant_id, revision, body, created_by) VALUES (%(tenant)s, %(revision)s, %(body)s::json, %(by)s)

-- name: create_tenant
INSERT INTO tenants (tenant_id) VALUES (%(tenant)s) ON CONFLICT DO NOTHING

-- name: live_sources
SELECT kind, value, min(bucket), max(bucket) FROM source_activity
WHERE tenant_id = %(tenant)s
GROUP BY kind, value ORDER BY kind, value

-- name: queue
-- The owner is read here, after the topic's row is held: a growth that comes later moves what is queued.
INSERT INTO review_queue AS q (tenant_id, kind, value, part, subject_hash, owner_part, upto, lo, hi)
SELECT %(tenant)s, u.kind, u.value, %(part)s, u.hash, u.hash %% t.partitions, %(revision)s, u.lo, u.hi
FROM unnest(%(kinds)s::text[], %(values)s::text[], %(hashes)s::integer[], %(los)s::bigint[], %(his)s::bigint[]) AS u (kind, value, hash, lo, hi),
    (SELECT partitions FROM topics WHERE topic = %(topic)s) AS t
ORDER BY u.kind, u.value
ON CONFLICT (tenant_id, kind, value, part) DO UPDATE SET upto = excluded.upto, lo = least(q.lo, excluded.lo),
    hi = greatest(q.hi, excluded.hi), due_at = excluded.due_at
