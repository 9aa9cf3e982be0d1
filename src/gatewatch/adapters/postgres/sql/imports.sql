-- name: log_ends
SELECT part, end_offset FROM log_heads WHERE topic = %(topic)s

-- name: unread
SELECT coalesce(sum(greatest(e.until - p.next_offset, 0)), 0)::bigint
FROM unnest(%(parts)s::integer[], %(ends)s::bigint[]) AS e (part, until)
JOIN partitions p ON p.topic = %(topic)s AND p.part = e.part

-- name: outbox_ends
SELECT part, out_seq FROM partitions WHERE topic = %(topic)s

-- name: unrelayed
SELECT coalesce(sum(greatest(e.until - coalesce(o.seq, 0), 0)), 0)::bigint
FROM unnest(%(parts)s::integer[], %(ends)s::bigint[]) AS e (part, until)
LEFT JOIN outbox_positions o USING (part)

-- name: now
SELECT clock_timestamp()

-- name: due_reviews
-- A source that live traffic touches again and again was reviewed all the same: its view was written meanwhile. A
-- review that read its buckets before `since` has stored them a second later.
SELECT count(*)
FROM review_queue q
LEFT JOIN source_view v USING (tenant_id, kind, value)
WHERE q.due_at <= now() AND (v.written_at IS NULL OR v.written_at < %(since)s + interval '1 second')

-- name: landed
SELECT coalesce(sum(events), 0)::bigint, coalesce(sum(duplicates), 0)::bigint, coalesce(sum(conflicts), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint, coalesce(sum(controls), 0)::bigint
FROM import_results WHERE origin = %(origin)s
