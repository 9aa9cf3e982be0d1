-- Who gets in: accounts, their sessions, API keys, and how often somebody tried.
-- What is found before its tenant is known (by login name, by hashed token, by a key's prefix) is found by functions that
-- answer exactly that. Their search path ends with pg_temp, so that nobody's temporary table stands in for ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE accounts (
    tenant_id     text NOT NULL,
    account_id    text NOT NULL,
    name          text NOT NULL,
    login         text NOT NULL,  -- the name, normalised and case-folded; unique over all tenants: a log-in names no tenant
    password_hash text NOT NULL,  -- argon2id
    permissions   text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    password_at   timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz,
    PRIMARY KEY (tenant_id, account_id)
);
CREATE UNIQUE INDEX accounts_login ON accounts (login);

CREATE TABLE sessions (
    tenant_id  text NOT NULL,
    session_id text NOT NULL,
    account_id text NOT NULL,
    token_hash bytea NOT NULL,  -- SHA-256; the token itself is nowhere
    opened_at  timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),  -- to a minute
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX sessions_token ON sessions (token_hash);
CREATE INDEX sessions_account ON sessions (tenant_id, account_id);

CREATE TABLE api_keys (
    tenant_id    text NOT NULL,
    prefix       text NOT NULL,  -- the part of a key that is no secret
    name         text NOT NULL,
    secret_hash  bytea NOT NULL,  -- SHA-256 of the whole key
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   text NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,  -- to a minute
    PRIMARY KEY (tenant_id, prefix)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX api_keys_prefix ON api_keys (prefix);

-- When the next attempt of a bucket (a hash of an address, or of a name from an address) is due. It has no tenant: who
-- tries may be nobody's.
CREATE TABLE login_attempts (
    bucket bytea PRIMARY KEY,
    due    timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX login_attempts_due ON login_attempts (due);

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['accounts', 'sessions', 'api_keys']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY worker ON %I TO gatewatch_worker USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('CREATE POLICY app ON %I TO gatewatch_app USING (tenant_id = current_setting(''gatewatch.tenant'', true)) WITH CHECK (tenant_id = current_setting(''gatewatch.tenant'', true))', v_table);
        EXECUTE format('CREATE POLICY owner ON %I TO %I USING (true) WITH CHECK (true)', v_table, current_user);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO gatewatch_worker', v_table);
    END LOOP;
END $$;
-- The app sees no hash, makes no account, and gives nobody more permissions.
GRANT SELECT (tenant_id, account_id, name, login, permissions, created_at, password_at, disabled_at) ON accounts TO gatewatch_app;
GRANT SELECT (tenant_id, session_id, account_id, opened_at, seen_at, expires_at) ON sessions TO gatewatch_app;
GRANT DELETE ON sessions TO gatewatch_app;
GRANT SELECT (tenant_id, prefix, name, scopes, created_at, created_by, expires_at, revoked_at, last_used_at) ON api_keys TO gatewatch_app;
GRANT INSERT, UPDATE (revoked_at, last_used_at) ON api_keys TO gatewatch_app;

-- The account that a login name belongs to.
CREATE FUNCTION access_account(p_login text)
RETURNS TABLE (tenant_id text, account_id text, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT a.tenant_id, a.account_id, a.password_hash FROM accounts a WHERE a.login = p_login AND a.disabled_at IS NULL
$$;

-- Opens a session, unless the password that was verified is no longer the account's, and ends the one that the new one
-- replaces. Sessions of the account that have run out go as well.
CREATE FUNCTION access_open_session(p_tenant text, p_account text, p_verified text, p_session text, p_token bytea, p_life interval, p_replaced bytea)
RETURNS TABLE (name text, permissions text[], expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_account accounts%ROWTYPE;
BEGIN
    SELECT * INTO v_account FROM accounts a
        WHERE a.tenant_id = p_tenant AND a.account_id = p_account AND a.password_hash = p_verified AND a.disabled_at IS NULL
        FOR SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM sessions s WHERE s.token_hash = p_replaced;
    DELETE FROM sessions s WHERE s.tenant_id = p_tenant AND s.account_id = p_account AND s.expires_at < now();
    INSERT INTO sessions (tenant_id, session_id, account_id, token_hash, expires_at)
        VALUES (p_tenant, p_session, p_account, p_token, now() + p_life);
    RETURN QUERY SELECT v_account.name, v_account.permissions, now() + p_life;
END $$;

-- The session of a token, alive and seen within `p_idle`, and whose it is.
CREATE FUNCTION access_session(p_token bytea, p_idle interval)
RETURNS TABLE (tenant_id text, session_id text, account_id text, name text, permissions text[], expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    UPDATE sessions s SET seen_at = now()
        WHERE s.token_hash = p_token AND s.seen_at > now() - p_idle AND s.seen_at < now() - interval '1 minute' AND s.expires_at > now();
    RETURN QUERY
        SELECT s.tenant_id, s.session_id, s.account_id, a.name, a.permissions, s.expires_at
        FROM sessions s JOIN accounts a ON a.tenant_id = s.tenant_id AND a.account_id = s.account_id
        WHERE s.token_hash = p_token AND s.seen_at > now() - p_idle AND s.expires_at > now() AND a.disabled_at IS NULL;
END $$;

-- Ends the session of a token.
CREATE FUNCTION access_end_session(p_token bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DELETE FROM sessions s WHERE s.token_hash = p_token
$$;

-- Replaces the password that was verified, and ends the account's sessions unless only the hash is newer (`p_same`).
CREATE FUNCTION access_set_password(p_tenant text, p_account text, p_verified text, p_hash text, p_same boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE accounts a SET password_hash = p_hash, password_at = CASE WHEN p_same THEN a.password_at ELSE now() END
        WHERE a.tenant_id = p_tenant AND a.account_id = p_account AND a.password_hash = p_verified AND a.disabled_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT p_same THEN
        DELETE FROM sessions s WHERE s.tenant_id = p_tenant AND s.account_id = p_account;
    END IF;
    RETURN true;
END $$;

-- The key of a prefix, if it is in force.
CREATE FUNCTION access_key(p_prefix text)
RETURNS TABLE (tenant_id text, secret_hash bytea, scopes text[], expires_in double precision, used_ago double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT k.tenant_id, k.secret_hash, k.scopes, extract(epoch FROM k.expires_at - now())::double precision,
           extract(epoch FROM now() - k.last_used_at)::double precision
    FROM api_keys k
    WHERE k.prefix = p_prefix AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$;

-- Counts an attempt (generic cell rate: `p_burst` at once, then one per `p_every`). Returns 0, or, where it is one too
-- many, the seconds after which the next may be made.
CREATE FUNCTION access_attempt(p_bucket bytea, p_every interval, p_burst integer) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    DELETE FROM login_attempts WHERE bucket IN (
        SELECT bucket FROM login_attempts WHERE due < v_now ORDER BY due LIMIT 10 FOR UPDATE SKIP LOCKED);
    INSERT INTO login_attempts AS a (bucket, due) VALUES (p_bucket, v_now + p_every)
        ON CONFLICT (bucket) DO UPDATE SET due = greatest(a.due, v_now) + p_every
            WHERE greatest(a.due, v_now) + p_every <= v_now + p_every * p_burst;
    IF FOUND THEN
        RETURN 0;
    END IF;
    RETURN (SELECT greatest(0.1, extract(epoch FROM a.due + p_every - p_every * p_burst - v_now)) FROM login_attempts a WHERE a.bucket = p_bucket);
END $$;

-- Who got in need not wait for earlier slips.
CREATE FUNCTION access_forgive(p_bucket bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DELETE FROM login_attempts WHERE bucket = p_bucket
$$;

REVOKE ALL ON FUNCTION access_account, access_open_session, access_session, access_end_session, access_set_password, access_key, access_attempt, access_forgive FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_account, access_open_session, access_session, access_end_session, access_set_password, access_key, access_attempt, access_forgive TO gatewatch_app;
