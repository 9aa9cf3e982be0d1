-- Queries: what lists are read by, what overviews are made of, and what people say of anomalies.

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
