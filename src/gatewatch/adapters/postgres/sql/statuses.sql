-- What people say of anomalies, as the app writes it for one tenant.

-- name: change
SELECT outcome, status, revision, hits, changed_at, changed_by
FROM change_statuses(%(ids)s::text[], %(statuses)s::text[], %(revisions)s::integer[], %(by)s::text)
ORDER BY at

-- name: history
SELECT status, revision, hits, changed_at, changed_by FROM anomaly_status_history
WHERE tenant_id = current_setting('gatewatch.tenant') AND id = %(id)s
ORDER BY revision DESC
