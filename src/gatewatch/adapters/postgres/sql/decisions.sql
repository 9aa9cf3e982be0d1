-- Decisions, as the app reads and keeps them for one tenant. What a login waits for is one statement each: it names its
-- tenant itself, so that no round trip is spent on a transaction around it.

-- name: known
SELECT profile, policy, behind, written, shares, findings, waiting
FROM decision_known(%(tenant)s, %(user)s, %(topic)s, %(part)s, %(revision)s, interval '5 seconds', %(ip)s, %(prefix)s, %(asn)s,
    %(ip_written)s, %(prefix_written)s, %(asn_written)s, %(tenant_written)s)

-- name: keep
SELECT claimed, digest, answer
FROM decision_keep(%(tenant)s, %(id)s, %(digest)s, %(record)s, %(answer)s, %(topic)s, %(generation)s, %(part)s, %(key)s)

-- name: tell
SELECT decision_tell(%(tenant)s, %(id)s, %(login_was)s, %(challenge_was)s, %(login)s, %(challenge)s, %(topic)s, %(generation)s,
    %(part)s, %(key)s, %(values)s::bytea[])

-- name: find
SELECT id, record, answer, decided_at, login, challenge FROM decisions
WHERE tenant_id = current_setting('gatewatch.tenant') AND id = %(id)s

-- name: claim
SELECT claimed, digest, answer, unproven FROM decision_claim(%(tenant)s, %(id)s, %(digest)s, %(record)s, %(answer)s)

-- name: told
SELECT decision_told(%(tenant)s, %(id)s, %(login_was)s, %(challenge_was)s, %(login)s, %(challenge)s, %(values)s::bytea[])

-- name: unproven
SELECT unproven FROM decisions WHERE tenant_id = current_setting('gatewatch.tenant') AND id = %(id)s

-- name: proven
SELECT decision_proven(%(tenant)s, %(id)s, %(values)s::bytea[])

-- name: counts
SELECT part, attribute, value, n, chunk, counters FROM decision_counts(%(tenant)s)

-- name: topic
SELECT partitions, generation FROM topics WHERE topic = %(topic)s
