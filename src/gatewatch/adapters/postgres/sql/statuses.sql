-- What people say of anomalies, as the app writes it for one tenant.

-- name: change
SELECT outcome, status, revision, hits, changed_at, changed_by
FROM change_statuses(%(ids)s::text[], %(statuses)s::text[], %(revisions)s::integer[], %(by)s::text)
ORDER BY at

-- name: history
SELECT h.status, h.revision, h.hits, h.changed_at, h.changed_by, coalesce(b.name, '')
FROM anomaly_status_history h
LEFT JOIN accounts b ON b.tenant_id = h.tenant_id AND 'account:' || b.account_id = h.changed_by
WHERE h.tenant_id = current_setting('gatewatch.tenant') AND h.id = %(id)s
ORDER BY h.revision DESC
