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
