-- Queries: what lists are read by, what overviews are made of, and what people say of anomalies.
-- The search path of functions that run as their owner ends with pg_temp, so that nobody's temporary table stands in for ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Lists of events --------------------------------------------------------------------------------------------------
-- Each is read in the order of time, newest first; events of one microsecond are put in the order of their ids as they
-- come. Users and networks have many values, each of them rare: an index each. What has few values (outcome, country,
-- network number) is tested within the index of time, without a look at the rows: some 50 ns for an event that does not
-- match, where an index of its own costs 3 us for each event that is written.

-- The network an address is judged with (see `core.events.prefix_of`). A column, and not an index on an expression: under
-- row-level security only leakproof operators on plain columns reach an index.
ALTER TABLE login_events ADD COLUMN prefix cidr
    GENERATED ALWAYS AS (network(set_masklen(ip, CASE family(ip) WHEN 4 THEN 24 ELSE 64 END))) STORED;

DROP INDEX login_events_ip, login_events_time, login_events_noteworthy;
CREATE INDEX login_events_time ON login_events (tenant_id, time, asn, country, outcome);
-- One index for addresses and prefixes: within a prefix an address is found without a look at the rows.
CREATE INDEX login_events_prefix ON login_events (tenant_id, prefix, time, ip) WHERE prefix IS NOT NULL;
-- Those with a signal; no other has a score above 0.
CREATE INDEX login_events_signalled ON login_events (tenant_id, time, score) WHERE detectors <> '{}';

-- As in 0001, with the generated column.
CREATE OR REPLACE FUNCTION create_event_partition(p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    v_month date := date_trunc('month', p_month)::date;
    v_table text := 'login_events_' || to_char(v_month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('gatewatch event partitions'));
    IF to_regclass(v_table) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE login_events INCLUDING DEFAULTS INCLUDING GENERATED)', v_table);
    EXECUTE format('CREATE UNIQUE INDEX ON %I (event_id, tenant_id)', v_table);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE login_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_table, v_month, (v_month + interval '1 month')::date);
END $$;

-- Lists of anomalies, users and dead letters ------------------------------------------------------------------------

-- Detector, severity and state are tested within the index.
DROP INDEX anomalies_recent;
CREATE INDEX anomalies_recent ON anomalies (tenant_id, last_seen, id, detector, severity, state);
CREATE INDEX anomalies_of_subject ON anomalies (tenant_id, subject_kind, subject, last_seen, id);

-- Only a login with a score changes a risk; other updates of a profile leave the index alone. There is no index on
-- last_seen, which every login changes: who was seen last is found by the events.
CREATE INDEX profiles_risk ON profiles (tenant_id, risk, user_key);

CREATE INDEX dead_letters_recent ON dead_letters (tenant_id, received_at, id, reason);

-- Roll-ups ----------------------------------------------------------------------------------------------------------
-- What overviews are made of, counted in the transaction that stores the events, by the time of the event: late ones
-- count where they belong. One row per partition of the log, so that no two detectors wait for each other's; they add
-- up on reading.

CREATE TABLE activity (
    tenant_id text NOT NULL,
    bucket    timestamptz NOT NULL,  -- ten minutes
    part      integer NOT NULL,
    events    bigint NOT NULL,
    successes bigint NOT NULL,
    failures  bigint NOT NULL,
    signalled bigint NOT NULL,       -- with a signal of any detector
    PRIMARY KEY (tenant_id, bucket, part)
) WITH (fillfactor = 70);

-- By value: country, asn and detector of all events; ip of those that failed or had a signal, user of those that had one.
-- (A row for each user and address of a batch would cost as much as the events; a mistyped password is no news.)
CREATE TABLE activity_values (
    tenant_id text NOT NULL,
    kind      text NOT NULL,
    bucket    timestamptz NOT NULL,  -- an hour
    part      integer NOT NULL,
    value     text NOT NULL,
    events    bigint NOT NULL,
    failures  bigint NOT NULL,
    signalled bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, bucket, part, value)
) WITH (fillfactor = 70);

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['activity', 'activity_values'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY worker ON %I TO gatewatch_worker USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('CREATE POLICY app ON %I TO gatewatch_app USING (tenant_id = current_setting(''gatewatch.tenant'', true))', v_table);
        -- Dropping a month of events drops its counts, in a function of the owner's.
        EXECUTE format('CREATE POLICY owner ON %I TO %I USING (true) WITH CHECK (true)', v_table, current_user);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO gatewatch_worker', v_table);
        EXECUTE format('GRANT SELECT ON %I TO gatewatch_app', v_table);
    END LOOP;
END $$;

-- What is stored already. (The owner sees no events while row-level security is forced on it.)
ALTER TABLE login_events NO FORCE ROW LEVEL SECURITY;
INSERT INTO activity (tenant_id, bucket, part, events, successes, failures, signalled)
SELECT tenant_id, date_bin('10 minutes', time, 'epoch'), part, count(*), count(*) FILTER (WHERE outcome = 'success'),
    count(*) FILTER (WHERE outcome = 'failure'), count(*) FILTER (WHERE detectors <> '{}')
FROM login_events GROUP BY 1, 2, 3;
INSERT INTO activity_values (tenant_id, kind, bucket, part, value, events, failures, signalled)
SELECT e.tenant_id, v.kind, date_bin('1 hour', e.time, 'epoch'), e.part, v.value, count(*),
    count(*) FILTER (WHERE e.outcome = 'failure'), count(*) FILTER (WHERE e.detectors <> '{}')
FROM login_events e
CROSS JOIN LATERAL (
    SELECT 'country' AS kind, nullif(e.country, '') AS value UNION ALL SELECT 'asn', nullif(e.asn, 0)::text
    UNION ALL SELECT 'user', e.user_key WHERE e.detectors <> '{}'
    UNION ALL SELECT 'ip', host(e.ip) WHERE e.outcome = 'failure' OR e.detectors <> '{}'
    UNION ALL (SELECT DISTINCT 'detector', d FROM unnest(e.detectors) AS d)) AS v
WHERE v.value IS NOT NULL
GROUP BY 1, 2, 3, 4, 5;
ALTER TABLE login_events FORCE ROW LEVEL SECURITY;

-- As in 0001; a month's counts go with its events.
CREATE OR REPLACE FUNCTION drop_event_partitions(p_before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    v_table text;
    v_month timestamptz;
BEGIN
    FOR v_table, v_month IN
        SELECT c.relname, to_date(right(c.relname, 7), 'YYYY_MM')
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'login_events'::regclass
          AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= p_before
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', v_table);
        DELETE FROM activity WHERE bucket >= v_month AND bucket < v_month + interval '1 month';
        DELETE FROM activity_values WHERE bucket >= v_month AND bucket < v_month + interval '1 month';
        RETURN NEXT v_table;
    END LOOP;
END $$;

-- What people say of anomalies ----------------------------------------------------------------------------------------
-- Written by the app alone; detectors never touch it. Without a row an anomaly is new, at revision 0.

CREATE TABLE anomaly_statuses (
    tenant_id  text NOT NULL,
    id         text NOT NULL,     -- the anomaly's
    status     text NOT NULL CHECK (status IN ('new', 'in_progress', 'suppressed', 'resolved')),
    revision   integer NOT NULL,
    hits       bigint NOT NULL,   -- the anomaly's hits at the change: those that came since are told apart
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70);

CREATE TABLE anomaly_status_history (
    tenant_id  text NOT NULL,
    id         text NOT NULL,
    revision   integer NOT NULL,
    status     text NOT NULL,
    hits       bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (tenant_id, id, revision)
);

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['anomaly_statuses', 'anomaly_status_history'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY worker ON %I FOR SELECT TO gatewatch_worker USING (true)', v_table);
        EXECUTE format('CREATE POLICY app ON %I TO gatewatch_app USING (tenant_id = current_setting(''gatewatch.tenant'', true)) WITH CHECK (tenant_id = current_setting(''gatewatch.tenant'', true))', v_table);
        EXECUTE format('GRANT SELECT ON %I TO gatewatch_worker', v_table);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO gatewatch_app', v_table);
    END LOOP;
    EXECUTE format('CREATE POLICY owner ON outbox TO %I USING (true) WITH CHECK (true)', current_user);
END $$;
GRANT UPDATE ON anomaly_statuses TO gatewatch_app;

-- The app's own lane of the outbox, numbered as the log is: the row is held until the commit, so that commit order is the
-- order of numbers, without gaps. No row of `partitions` is touched. Lanes are below 0, partitions are not.
CREATE TABLE outbox_lanes (
    lane    integer PRIMARY KEY CHECK (lane < 0),
    out_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO outbox_lanes (lane) VALUES (-1);
GRANT SELECT ON outbox_lanes TO gatewatch_worker, gatewatch_app;

CREATE FUNCTION publish_statuses(p_keys text[], p_values bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_base bigint;
BEGIN
    UPDATE outbox_lanes SET out_seq = out_seq + cardinality(p_keys) WHERE lane = -1
        RETURNING out_seq - cardinality(p_keys) INTO STRICT v_base;
    INSERT INTO outbox (part, seq, tenant_id, topic, key, value)
        SELECT -1, v_base + u.at, current_setting('gatewatch.tenant'), 'gatewatch.statuses', u.key, u.value
        FROM unnest(p_keys, p_values) WITH ORDINALITY AS u (key, value, at);
END $$;

-- Changes at most 500 statuses, each if its revision is the expected one, and publishes those that changed. Anomalies are
-- taken in the order of their ids, so that two callers never wait for each other in a circle; the lane comes last.
CREATE FUNCTION change_statuses(p_ids text[], p_statuses text[], p_revisions integer[], p_by text)
RETURNS TABLE (at bigint, outcome text, status text, revision integer, hits bigint, changed_at timestamptz, changed_by text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_tenant text := current_setting('gatewatch.tenant');
    v_item record;
    v_anomaly record;
    v_said anomaly_statuses%ROWTYPE;
    v_keys text[] := '{}';
    v_values bytea[] := '{}';
BEGIN
    IF cardinality(p_ids) > 500 THEN
        RAISE EXCEPTION 'at most 500 statuses are changed at once' USING ERRCODE = 'GW004';
    END IF;
    FOR v_item IN SELECT u.* FROM unnest(p_ids, p_statuses, p_revisions) WITH ORDINALITY AS u (id, status, revision, at)
                  ORDER BY u.id, u.at LOOP
        SELECT (a.body ->> 'count')::bigint AS hits, v_tenant || ':' || a.subject_kind || ':' || a.subject AS key INTO v_anomaly
            FROM anomalies a WHERE a.tenant_id = v_tenant AND a.id = v_item.id;
        IF NOT FOUND THEN
            RETURN QUERY SELECT v_item.at, 'unknown', 'new', 0, 0::bigint, now(), '';
            CONTINUE;
        END IF;
        IF v_item.revision = 0 THEN
            INSERT INTO anomaly_statuses AS s (tenant_id, id, status, revision, hits, changed_by)
                VALUES (v_tenant, v_item.id, v_item.status, 1, v_anomaly.hits, p_by)
                ON CONFLICT (tenant_id, id) DO NOTHING RETURNING s.* INTO v_said;
        ELSE
            UPDATE anomaly_statuses AS s SET status = v_item.status, revision = s.revision + 1, hits = v_anomaly.hits,
                    changed_at = now(), changed_by = p_by
                WHERE s.tenant_id = v_tenant AND s.id = v_item.id AND s.revision = v_item.revision RETURNING s.* INTO v_said;
        END IF;
        IF NOT FOUND THEN
            SELECT s.* INTO v_said FROM anomaly_statuses s WHERE s.tenant_id = v_tenant AND s.id = v_item.id;
            RETURN QUERY SELECT v_item.at, 'conflict', coalesce(v_said.status, 'new'), coalesce(v_said.revision, 0),
                coalesce(v_said.hits, 0), coalesce(v_said.changed_at, now()), coalesce(v_said.changed_by, '');
            CONTINUE;
        END IF;
        INSERT INTO anomaly_status_history (tenant_id, id, revision, status, hits, changed_at, changed_by)
            VALUES (v_tenant, v_said.id, v_said.revision, v_said.status, v_said.hits, v_said.changed_at, v_said.changed_by);
        v_keys := v_keys || v_anomaly.key;
        v_values := v_values || convert_to(json_build_object('tenant_id', v_tenant, 'anomaly', v_said.id,
            'status', v_said.status, 'revision', v_said.revision, 'count', v_said.hits,
            'changed_at', v_said.changed_at, 'changed_by', v_said.changed_by)::text, 'UTF8');
        RETURN QUERY SELECT v_item.at, 'changed', v_said.status, v_said.revision, v_said.hits, v_said.changed_at, v_said.changed_by;
    END LOOP;
    IF cardinality(v_keys) > 0 THEN
        PERFORM publish_statuses(v_keys, v_values);
    END IF;
END $$;
REVOKE ALL ON FUNCTION publish_statuses, change_statuses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION publish_statuses, change_statuses TO gatewatch_app;
