-- Inline decisions: what was answered, and the functions that make one of two round trips.
-- The search path of functions that run as their owner ends with pg_temp, so that nobody's temporary table stands in for ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- A decision is claimed by its id, which is made of tenant and event id: one index serves both.
CREATE TABLE decisions (
    tenant_id  text NOT NULL,
    id         text NOT NULL,
    digest     bytea NOT NULL,  -- of what was asked: the same id with another is a conflict
    record     bytea NOT NULL,  -- the event as it lies on the log (MessagePack)
    answer     bytea NOT NULL,  -- as it was sent, byte for byte (JSON)
    decided_at timestamptz NOT NULL DEFAULT now(),
    login      text NOT NULL DEFAULT '' CHECK (login IN ('', 'success', 'failure')),
    challenge  text NOT NULL DEFAULT '' CHECK (challenge IN ('', 'passed', 'failed', 'abandoned')),
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 90);
CREATE INDEX decisions_decided ON decisions (decided_at);

ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY app ON decisions TO gatewatch_app
    USING (tenant_id = current_setting('gatewatch.tenant', true)) WITH CHECK (tenant_id = current_setting('gatewatch.tenant', true));
GRANT SELECT, INSERT, UPDATE (login, challenge) ON decisions TO gatewatch_app;
-- The services drop what is past its retention.
CREATE POLICY worker ON decisions TO gatewatch_worker USING (true);
GRANT SELECT, DELETE ON decisions TO gatewatch_worker;

-- Since when a source waits for its review. A review that meets a change leaves the row as it is: what counts is the later
-- of this and when its view was written.
ALTER TABLE review_queue ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now();

-- How far the reader of a partition is behind, in seconds: the age of the oldest record it has not processed. The app sees
-- no record of the log, hence a function of the owner's that tells this and nothing else.
CREATE FUNCTION log_behind(p_topic text, p_part integer) RETURNS double precision
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_next bigint;
BEGIN
    SELECT p.next_offset INTO v_next FROM partitions p JOIN log_heads h USING (topic, part)
        WHERE p.topic = p_topic AND p.part = p_part AND h.end_offset > p.next_offset;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    RETURN coalesce((SELECT extract(epoch FROM clock_timestamp() - l.appended_at) FROM event_log l
        WHERE l.topic = p_topic AND l.part = p_part AND l.off >= v_next ORDER BY l.off LIMIT 1), 0);
END $$;

-- All that a decision is made of, in one statement: the caller speaks for a tenant as with any other statement. The policy
-- and the views that the caller has already, by revision and by when they were written, are not sent again. A source waits
-- where a change of its failures had no review for `p_patience`. What is unknown of the sources is NULL; views come in the
-- order address, prefix, network, tenant. (No arrays go in: to make three of them took half of the caller's time.)
CREATE FUNCTION decision_known(p_tenant text, p_user text, p_topic text, p_part integer, p_revision integer, p_patience interval,
    p_ip text, p_prefix text, p_asn text,
    p_ip_written timestamptz, p_prefix_written timestamptz, p_asn_written timestamptz, p_tenant_written timestamptz)
RETURNS TABLE (profile bytea, policy text, behind double precision, written timestamptz[], shares bytea[],
    findings bytea[], waiting boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    SELECT p.state INTO profile FROM profiles p WHERE p.tenant_id = p_tenant AND p.user_key = p_user;
    SELECT CASE WHEN p.revision <> p_revision THEN p.body::text END INTO policy
        FROM policies p WHERE p.tenant_id = p_tenant ORDER BY p.revision DESC LIMIT 1;
    behind := log_behind(p_topic, p_part);
    SELECT array_agg(v.written_at ORDER BY k.at),
        array_agg(CASE WHEN v.written_at IS DISTINCT FROM k.known THEN v.shares END ORDER BY k.at),
        array_agg(CASE WHEN v.written_at IS DISTINCT FROM k.known THEN v.findings END ORDER BY k.at),
        bool_or(EXISTS (SELECT FROM review_queue q
            WHERE q.tenant_id = p_tenant AND q.kind = k.kind AND q.value = k.value AND q.part >= 0
              AND greatest(q.queued_at, v.written_at) < now() - p_patience))
        INTO written, shares, findings, waiting
        FROM (VALUES (1, 'ip', p_ip, p_ip_written), (2, 'prefix', p_prefix, p_prefix_written), (3, 'asn', p_asn, p_asn_written),
            (4, 'tenant', '', p_tenant_written)) AS k (at, kind, value, known)
        LEFT JOIN source_view v ON v.tenant_id = p_tenant AND v.kind = k.kind AND v.value = k.value;
    RETURN NEXT;
END $$;

-- How often a tenant's logins had each value: counts by value, and the counters of sketches (those have a chunk).
CREATE FUNCTION decision_counts(p_tenant text)
RETURNS TABLE (part integer, attribute text, value text, n bigint, chunk integer, counters bytea)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    RETURN QUERY SELECT c.part, c.attribute, c.value, c.n, NULL::integer, NULL::bytea FROM value_counts c WHERE c.tenant_id = p_tenant
        UNION ALL SELECT s.part, s.attribute, '', 0, s.chunk, s.counters FROM value_sketches s WHERE s.tenant_id = p_tenant;
END $$;

-- Claims a decision's id and appends its event in one: both are durable, or neither. Whoever comes second waits for the
-- first and is given what stands.
CREATE FUNCTION decision_keep(p_tenant text, p_id text, p_digest bytea, p_record bytea, p_answer bytea, p_topic text,
    p_generation integer, p_part integer, p_key text)
RETURNS TABLE (claimed boolean, digest bytea, answer bytea)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    INSERT INTO decisions (tenant_id, id, digest, record, answer) VALUES (p_tenant, p_id, p_digest, p_record, p_answer)
        ON CONFLICT (tenant_id, id) DO NOTHING;
    IF FOUND THEN
        PERFORM log_append(p_topic, p_generation, ARRAY[p_part], ARRAY[p_key], ARRAY[p_record]);
        RETURN QUERY SELECT true, p_digest, ''::bytea;
    ELSE
        RETURN QUERY SELECT false, d.digest, d.answer FROM decisions d WHERE d.tenant_id = p_tenant AND d.id = p_id;
    END IF;
END $$;

-- Remembers what was reported, if nothing else was meanwhile, and appends what follows from it.
CREATE FUNCTION decision_tell(p_tenant text, p_id text, p_login_was text, p_challenge_was text, p_login text, p_challenge text,
    p_topic text, p_generation integer, p_part integer, p_key text, p_values bytea[])
RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_n integer := cardinality(p_values);
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    UPDATE decisions SET login = p_login, challenge = p_challenge
        WHERE tenant_id = p_tenant AND id = p_id AND login = p_login_was AND challenge = p_challenge_was;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF v_n > 0 THEN
        PERFORM log_append(p_topic, p_generation, array_fill(p_part, ARRAY[v_n]), array_fill(p_key, ARRAY[v_n]), p_values);
    END IF;
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION log_behind, decision_known, decision_counts, decision_keep, decision_tell FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_behind, decision_known, decision_counts, decision_keep, decision_tell TO gatewatch_app;
