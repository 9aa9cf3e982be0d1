-- Who gets in. What is asked before the tenant is known goes through functions that answer exactly that.

-- name: account
SELECT tenant_id, account_id, password_hash FROM access_account(%(login)s)

-- name: open_session
SELECT name, permissions, expires_at
FROM access_open_session(%(tenant)s, %(account)s, %(verified)s, %(session)s, %(token)s, %(life)s, %(replaced)s)

-- name: session
SELECT tenant_id, session_id, account_id, name, permissions, expires_at FROM access_session(%(token)s, %(idle)s)

-- name: session_permissions
SELECT coalesce(access_session_permissions(%(token)s, %(idle)s), '{}')

-- name: end_session
SELECT access_end_session(%(token)s)

-- name: set_password
SELECT access_set_password(%(tenant)s, %(account)s, %(verified)s, %(hash)s, %(same)s)

-- name: password
SELECT a.password_hash FROM accounts b, access_account(b.login) a WHERE b.account_id = %(account)s

-- name: key
SELECT tenant_id, secret_hash, scopes, expires_in, used_ago FROM access_key(%(prefix)s)

-- name: key_used
UPDATE api_keys SET last_used_at = now() WHERE tenant_id = current_setting('gatewatch.tenant') AND prefix = %(prefix)s

-- name: attempt
SELECT access_attempt(%(bucket)s, %(every)s, %(burst)s)

-- name: forgive
SELECT access_forgive(%(bucket)s)

-- name: create_account
INSERT INTO accounts (tenant_id, account_id, name, login, password_hash, permissions)
VALUES (%(tenant)s, %(account)s, %(name)s, %(login)s, %(hash)s, %(permissions)s)
ON CONFLICT (login) DO NOTHING
RETURNING account_id

-- name: reset_password
UPDATE accounts SET password_hash = %(hash)s, password_at = now(), disabled_at = NULL
WHERE tenant_id = %(tenant)s AND login = %(login)s
RETURNING account_id

-- name: end_sessions
DELETE FROM sessions WHERE tenant_id = %(tenant)s AND account_id = %(account)s

-- name: lock_accounts
SELECT pg_advisory_xact_lock(hashtext('gatewatch accounts'), hashtext(%(tenant)s))

-- name: any_account
SELECT FROM accounts WHERE tenant_id = %(tenant)s LIMIT 1

-- name: create_key
INSERT INTO api_keys (tenant_id, prefix, name, secret_hash, scopes, created_by, expires_at)
VALUES (%(tenant)s, %(prefix)s, %(name)s, %(hash)s, %(scopes)s, %(by)s, now() + %(life)s::interval)
RETURNING prefix

-- name: keys
SELECT prefix, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at
FROM api_keys WHERE tenant_id = %(tenant)s ORDER BY created_at, prefix

-- name: revoke_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
WHERE tenant_id = %(tenant)s AND prefix = %(prefix)s
RETURNING prefix
