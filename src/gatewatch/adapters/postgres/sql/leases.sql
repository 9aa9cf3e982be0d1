-- name: beat
INSERT INTO members (member, seen_at) VALUES (%(member)s, clock_timestamp())
ON CONFLICT (member) DO UPDATE SET seen_at = excluded.seen_at

-- name: leave
DELETE FROM members WHERE member = %(member)s OR seen_at < clock_timestamp() - interval '1 minute'

-- name: members
SELECT count(*) FROM members WHERE seen_at > clock_timestamp() - %(timeout)s

-- name: topic
SELECT partitions, generation, kafka_id IS NOT NULL FROM topics WHERE topic = %(topic)s

-- name: free
SELECT part FROM partitions
WHERE topic = %(topic)s AND (owner IS NULL OR owner = %(owner)s OR lease_until < clock_timestamp()) ORDER BY part

-- name: renew
UPDATE partitions SET lease_until = clock_timestamp() + %(lease)s
WHERE topic = %(topic)s AND owner = %(owner)s AND part = ANY(%(parts)s)
RETURNING part, epoch

-- name: claim
UPDATE partitions SET epoch = epoch + 1, owner = %(owner)s, backend_pid = pg_backend_pid(),
    backend_start = %(started)s,
    lease_until = clock_timestamp() + %(lease)s
WHERE topic = %(topic)s AND part = %(part)s AND (owner IS NULL OR owner = %(owner)s OR lease_until < clock_timestamp() OR %(force)s)
RETURNING epoch, next_offset, out_seq

-- name: terminate
-- The backend that the partition's row names, if it is still the same one.
SELECT pg_terminate_backend(a.pid)
FROM partitions p JOIN pg_stat_activity a ON a.pid = p.backend_pid AND a.backend_start = p.backend_start
WHERE p.topic = %(topic)s AND p.part = %(part)s AND a.pid <> pg_backend_pid()
  AND (p.owner = %(owner)s OR p.lease_until < clock_timestamp() OR %(force)s)

-- name: release
UPDATE partitions SET owner = NULL, lease_until = '-infinity'
WHERE topic = %(topic)s AND owner = %(owner)s AND part = ANY(%(parts)s)

-- name: skip
WITH moved AS (
    UPDATE partitions SET next_offset = %(to)s
    WHERE topic = %(topic)s AND part = %(part)s AND epoch = %(epoch)s AND owner = %(owner)s AND next_offset = %(from)s
    RETURNING topic, part)
INSERT INTO log_gaps (topic, part, from_offset, to_offset) SELECT topic, part, %(from)s, %(to)s FROM moved
ON CONFLICT (topic, part, from_offset) DO UPDATE SET to_offset = greatest(log_gaps.to_offset, excluded.to_offset)

-- name: tell
SELECT log_tell(%(topic)s, %(parts)b::integer[], %(ends)b::bigint[], %(until)b::timestamptz[])

-- name: grow
SELECT grow_topic(%(topic)s, %(partitions)s)

-- name: register
SELECT register_topic(%(topic)s, %(partitions)s, %(kafka)s)

-- name: known
SELECT kafka_id, partitions, generation, ARRAY(SELECT next_offset FROM partitions p WHERE p.topic = t.topic ORDER BY part)
FROM topics t WHERE topic = %(topic)s
