-- The heart: the log, the events, the state of users and sources, anomalies, the outbox.
-- Roles have no login of their own: a connection takes one with SET ROLE, so one URL serves every service.
DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('gatewatch roles'));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatewatch_worker') THEN
        CREATE ROLE gatewatch_worker NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatewatch_app') THEN
        CREATE ROLE gatewatch_app NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'gatewatch_worker', 'MEMBER') OR NOT pg_has_role(current_user, 'gatewatch_app', 'MEMBER')
       OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT gatewatch_worker, gatewatch_app TO %I', current_user);
    END IF;
END $$;

CREATE TABLE tenants (
    tenant_id   text PRIMARY KEY,
    salt        bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- The log -----------------------------------------------------------------------------------------------------------

CREATE TABLE topics (
    topic       text PRIMARY KEY,
    partitions  integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
    generation  integer NOT NULL DEFAULT 1,
    segment     bigint NOT NULL DEFAULT 1,
    rolled_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE log_heads (
    topic       text NOT NULL REFERENCES topics,
    part        integer NOT NULL,
    end_offset  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, part)
) WITH (fillfactor = 50);

CREATE TABLE log_segments (
    topic       text NOT NULL REFERENCES topics,
    segment     bigint NOT NULL,
    closed_at   timestamptz NOT NULL DEFAULT now(),
    ends        bigint[] NOT NULL,  -- per partition, the offset the next segment starts at
    PRIMARY KEY (topic, segment)
);

CREATE TABLE event_log (
    topic       text NOT NULL,
    segment     bigint NOT NULL,
    part        integer NOT NULL,
    off         bigint NOT NULL,
    key         text NOT NULL,
    value       bytea NOT NULL,
    appended_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY LIST (topic);

-- Who reads which partition, from where; `epoch` and `owner` fence, `out_seq` numbers the partition's outbox.
CREATE TABLE partitions (
    topic         text NOT NULL REFERENCES topics,
    part          integer NOT NULL,
    epoch         bigint NOT NULL DEFAULT 0,
    owner         uuid,
    backend_pid   integer,
    backend_start timestamptz,
    lease_until   timestamptz NOT NULL DEFAULT '-infinity',
    next_offset   bigint NOT NULL DEFAULT 0,
    out_seq       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, part)
) WITH (fillfactor = 50);

CREATE TABLE members (
    member   uuid PRIMARY KEY,
    seen_at  timestamptz NOT NULL
);

-- What retention or an operator took away before it was read: recorded, never skipped in silence.
CREATE TABLE log_gaps (
    topic       text NOT NULL,
    part        integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, part, from_offset)
);

CREATE FUNCTION create_topic(p_topic text, p_partitions integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_table text := 'event_log_' || regexp_replace(p_topic, '[^a-z0-9]', '_', 'g');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('gatewatch topics'));
    IF EXISTS (SELECT FROM topics WHERE topic = p_topic) THEN
        RETURN;
    END IF;
    INSERT INTO topics (topic, partitions) VALUES (p_topic, p_partitions);
    INSERT INTO log_heads (topic, part) SELECT p_topic, generate_series(0, p_partitions - 1);
    INSERT INTO partitions (topic, part) SELECT p_topic, generate_series(0, p_partitions - 1);
    EXECUTE format('CREATE TABLE %I PARTITION OF event_log FOR VALUES IN (%L) PARTITION BY RANGE (segment)', v_table, p_topic);
    PERFORM create_segment(p_topic, 1);
END $$;

CREATE FUNCTION create_segment(p_topic text, p_segment bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_parent text := 'event_log_' || regexp_replace(p_topic, '[^a-z0-9]', '_', 'g');
    v_table text := v_parent || '_' || p_segment;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS, PRIMARY KEY (part, off))', v_table, v_parent);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN value SET STORAGE EXTERNAL', v_table);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_parent, v_table, p_segment, p_segment + 1);
END $$;

-- Appends at most 1,000 records in one statement: heads are locked in part order, offsets have no gaps, and commit
-- order is offset order. A caller whose partitions are of another generation is told so (GW001) and routes again.
CREATE FUNCTION log_append(p_topic text, p_generation integer, p_parts integer[], p_keys text[], p_values bytea[])
RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_topic topics%ROWTYPE;
    v_bases bigint[];
    v_base bigint;
    v_head record;
BEGIN
    IF cardinality(p_parts) > 1000 OR cardinality(p_parts) <> cardinality(p_values)
       OR cardinality(p_parts) <> cardinality(p_keys) THEN
        RAISE EXCEPTION 'an append takes 1 to 1000 records, each with partition, key and value' USING ERRCODE = 'GW002';
    END IF;
    SELECT * INTO STRICT v_topic FROM topics WHERE topic = p_topic FOR SHARE;
    IF v_topic.generation <> p_generation THEN
        RAISE EXCEPTION 'topic % is at generation %, not %', p_topic, v_topic.generation, p_generation USING ERRCODE = 'GW001';
    END IF;
    v_bases := array_fill(0::bigint, ARRAY[v_topic.partitions]);
    FOR v_head IN SELECT part, count(*) AS n FROM unnest(p_parts) AS part GROUP BY part ORDER BY part LOOP
        UPDATE log_heads SET end_offset = end_offset + v_head.n
            WHERE topic = p_topic AND part = v_head.part
            RETURNING end_offset - v_head.n INTO STRICT v_base;
        v_bases[v_head.part + 1] := v_base;
    END LOOP;
    INSERT INTO event_log (topic, segment, part, off, key, value)
        SELECT p_topic, v_topic.segment, u.part, v_bases[u.part + 1] + row_number() OVER (PARTITION BY u.part ORDER BY u.at) - 1, u.key, u.value
        FROM unnest(p_parts, p_keys, p_values) WITH ORDINALITY AS u (part, key, value, at);
    RETURN v_bases;
END $$;

-- Closes the current segment and opens the next; no append is under way while the topic's row is held.
CREATE FUNCTION log_roll(p_topic text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_topic topics%ROWTYPE;
BEGIN
    SELECT * INTO STRICT v_topic FROM topics WHERE topic = p_topic FOR UPDATE;
    PERFORM create_segment(p_topic, v_topic.segment + 1);
    INSERT INTO log_segments (topic, segment, ends)
        SELECT p_topic, v_topic.segment, array_agg(end_offset ORDER BY part) FROM log_heads WHERE topic = p_topic;
    UPDATE topics SET segment = segment + 1, rolled_at = now() WHERE topic = p_topic;
END $$;

-- Drops closed segments that every partition has been read past and that are older than `p_keep`; returns how many. Of
-- several notifiers one does it at a time, the others have nothing to do.
CREATE FUNCTION log_drop(p_topic text, p_keep interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_segment bigint;
    v_dropped integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('gatewatch log drop ' || p_topic)) THEN
        RETURN 0;
    END IF;
    FOR v_segment IN
        SELECT s.segment FROM log_segments s
        WHERE s.topic = p_topic AND s.closed_at < now() - p_keep
          AND NOT EXISTS (SELECT FROM partitions p WHERE p.topic = s.topic AND p.part < cardinality(s.ends)
                          AND p.next_offset < s.ends[p.part + 1])
        ORDER BY s.segment
    LOOP
        EXECUTE format('DROP TABLE %I', 'event_log_' || regexp_replace(p_topic, '[^a-z0-9]', '_', 'g') || '_' || v_segment);
        DELETE FROM log_segments WHERE topic = p_topic AND segment = v_segment;
        v_dropped := v_dropped + 1;
    END LOOP;
    RETURN v_dropped;
END $$;

-- More partitions: the new count and generation, and every epoch raised, in one transaction. What is queued for review
-- goes to its subject's new owner.
CREATE FUNCTION grow_topic(p_topic text, p_partitions integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_topic topics%ROWTYPE;
BEGIN
    SELECT * INTO STRICT v_topic FROM topics WHERE topic = p_topic FOR UPDATE;
    IF p_partitions <= v_topic.partitions THEN
        RAISE EXCEPTION 'topic % has % partitions; it can only grow', p_topic, v_topic.partitions USING ERRCODE = 'GW003';
    END IF;
    PERFORM FROM partitions WHERE topic = p_topic ORDER BY part FOR UPDATE;
    UPDATE topics SET partitions = p_partitions, generation = generation + 1 WHERE topic = p_topic;
    INSERT INTO log_heads (topic, part) SELECT p_topic, generate_series(v_topic.partitions, p_partitions - 1);
    INSERT INTO partitions (topic, part) SELECT p_topic, generate_series(v_topic.partitions, p_partitions - 1);
    UPDATE partitions SET epoch = epoch + 1, owner = NULL, lease_until = '-infinity' WHERE topic = p_topic;
    UPDATE review_queue SET owner_part = subject_hash % p_partitions;
    RETURN v_topic.generation + 1;
END $$;

-- Events ------------------------------------------------------------------------------------------------------------

CREATE TABLE login_events (
    tenant_id    text NOT NULL,
    event_id     text NOT NULL,
    time         timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now(),
    source       text NOT NULL,
    activity     text NOT NULL,
    outcome      text NOT NULL,
    reason_class text,
    user_key     text NOT NULL,
    ip           inet,
    asn          bigint,
    country      text,
    score        smallint NOT NULL,
    level        text NOT NULL,
    detectors    text[] NOT NULL,
    late         boolean NOT NULL,
    weight       smallint NOT NULL,  -- what it taught; a verdict subtracts it
    held         boolean NOT NULL,   -- learnt on probation
    generation   integer NOT NULL,   -- with part and off: the order of processing, per user
    part         integer NOT NULL,
    off          bigint NOT NULL,
    digest       bytea NOT NULL,
    context      bytea NOT NULL,
    event        bytea NOT NULL,     -- the event as assessed, enrichment included (MessagePack)
    assessment   json NOT NULL,
    raw          bytea NOT NULL      -- as received
) PARTITION BY RANGE (time);
CREATE INDEX login_events_user ON login_events (tenant_id, user_key, time);
CREATE INDEX login_events_ip ON login_events (tenant_id, ip, time);
CREATE INDEX login_events_time ON login_events USING brin (time);
CREATE INDEX login_events_noteworthy ON login_events (tenant_id, time) WHERE score >= 20;

-- The partition (a calendar month, UTC) that a time falls into; made apart and attached, so that no reader waits.
CREATE FUNCTION create_event_partition(p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    v_month date := date_trunc('month', p_month)::date;
    v_table text := 'login_events_' || to_char(v_month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('gatewatch event partitions'));
    IF to_regclass(v_table) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE login_events INCLUDING DEFAULTS)', v_table);
    EXECUTE format('CREATE UNIQUE INDEX ON %I (event_id, tenant_id)', v_table);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE login_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_table, v_month, (v_month + interval '1 month')::date);
END $$;

-- Drops the months that ended before `p_before`; returns their names.
CREATE FUNCTION drop_event_partitions(p_before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    v_table text;
BEGIN
    FOR v_table IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'login_events'::regclass
          AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= p_before
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', v_table);
        RETURN NEXT v_table;
    END LOOP;
END $$;

CREATE TABLE event_conflicts (
    tenant_id   text NOT NULL,
    event_id    text NOT NULL,
    digest      bytea NOT NULL,
    raw         bytea NOT NULL,
    received_at timestamptz NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, event_id, digest)
);

CREATE TABLE control_records (
    tenant_id    text NOT NULL,
    id           text NOT NULL,
    user_key     text NOT NULL,
    kind         text NOT NULL,
    body         bytea NOT NULL,
    policy       integer NOT NULL,
    known        boolean NOT NULL,  -- whether the login it is about was stored
    assessment   json,
    generation   integer NOT NULL,
    part         integer NOT NULL,
    off          bigint NOT NULL,
    processed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE dead_letters (
    tenant_id   text NOT NULL,
    id          text NOT NULL,
    source      text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    raw         bytea NOT NULL,
    size        bigint NOT NULL,
    sha256      text NOT NULL,
    topic       text,
    part        integer,
    off         bigint,
    received_at timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

-- What became of an import's records, counted in the batches that stored them.
CREATE TABLE import_results (
    tenant_id    text NOT NULL,
    origin       text NOT NULL,
    part         integer NOT NULL,
    events       bigint NOT NULL DEFAULT 0,
    duplicates   bigint NOT NULL DEFAULT 0,
    conflicts    bigint NOT NULL DEFAULT 0,
    dead_letters bigint NOT NULL DEFAULT 0,
    controls     bigint NOT NULL DEFAULT 0,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, origin, part)
);

-- State -------------------------------------------------------------------------------------------------------------

CREATE TABLE profiles (
    tenant_id   text NOT NULL,
    user_key    text NOT NULL,
    state       bytea NOT NULL,
    name        text NOT NULL,
    user_id     text NOT NULL,
    last_seen   timestamptz NOT NULL,
    risk        double precision NOT NULL,  -- log2(score) + time / half-life: sorts by decayed risk at any time
    has_history boolean NOT NULL,
    part        integer NOT NULL,           -- whose owner deletes it
    expires_at  timestamptz,                -- a user who never got in has failure windows only, and they end
    PRIMARY KEY (tenant_id, user_key)
) WITH (fillfactor = 70);
CREATE INDEX profiles_expiring ON profiles (part, expires_at) WHERE NOT has_history;

CREATE TABLE source_activity (
    tenant_id  text NOT NULL,
    kind       text NOT NULL,
    value      text NOT NULL,
    part       integer NOT NULL,
    bucket     bigint NOT NULL,
    state      bytea NOT NULL,
    written_at timestamptz NOT NULL,  -- to a coarse grain, so that most updates leave the index alone
    PRIMARY KEY (tenant_id, kind, value, part, bucket)
) WITH (fillfactor = 70);
CREATE INDEX source_activity_written ON source_activity (part, written_at);

CREATE TABLE source_view (
    tenant_id  text NOT NULL,
    kind       text NOT NULL,
    value      text NOT NULL,
    shares     bytea NOT NULL,
    findings   bytea NOT NULL,
    attacked   boolean NOT NULL,  -- whether findings are open
    lost       bigint[] NOT NULL DEFAULT '{}',  -- the days (since 1970) of which buckets were deleted, the newest 64
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind, value)
) WITH (fillfactor = 70);

CREATE TABLE review_queue (
    tenant_id    text NOT NULL,
    kind         text NOT NULL,
    value        text NOT NULL,
    part         integer NOT NULL,  -- whose share changed; -1: look again later; -2: a policy changed
    subject_hash integer NOT NULL,
    owner_part   integer NOT NULL,
    upto         bigint NOT NULL,
    lo           bigint NOT NULL,
    hi           bigint NOT NULL,
    due_at       timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, kind, value, part)
) WITH (fillfactor = 50);
CREATE INDEX review_queue_due ON review_queue (owner_part, due_at);

CREATE TABLE value_counts (
    tenant_id text NOT NULL,
    part      integer NOT NULL,
    attribute text NOT NULL,
    value     text NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (tenant_id, part, attribute, value)
) WITH (fillfactor = 50);

CREATE TABLE value_sketches (
    tenant_id text NOT NULL,
    part      integer NOT NULL,
    attribute text NOT NULL,
    chunk     integer NOT NULL,
    counters  bytea NOT NULL,
    PRIMARY KEY (tenant_id, part, attribute, chunk)
) WITH (fillfactor = 50);

CREATE TABLE policies (
    tenant_id  text NOT NULL,
    revision   integer NOT NULL,
    body       json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    PRIMARY KEY (tenant_id, revision)
);

-- Out ---------------------------------------------------------------------------------------------------------------

CREATE TABLE anomalies (
    tenant_id    text NOT NULL,
    id           text NOT NULL,
    subject_kind text NOT NULL,
    subject      text NOT NULL,
    detector     text NOT NULL,
    slot         timestamptz NOT NULL,
    state        text NOT NULL,
    severity     text NOT NULL,
    score        smallint NOT NULL,
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    version      integer NOT NULL,
    body         json NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX anomalies_subject ON anomalies (tenant_id, subject_kind, subject, slot);
CREATE INDEX anomalies_recent ON anomalies (tenant_id, last_seen, id);

-- Which success was already sent to its user's owner because of which finding.
CREATE TABLE doubts (
    tenant_id text NOT NULL,
    finding   text NOT NULL,
    event_id  text NOT NULL,
    PRIMARY KEY (tenant_id, finding, event_id)
);

-- Read by (part, seq), never by an id of its own: commit order is not id order.
CREATE TABLE outbox (
    part       integer NOT NULL,
    seq        bigint NOT NULL,
    tenant_id  text NOT NULL,
    topic      text NOT NULL,
    key        text NOT NULL,
    value      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, seq)
);

CREATE TABLE outbox_positions (
    part  integer PRIMARY KEY,
    seq   bigint NOT NULL
);

-- Tenants are kept apart in the database too: the app sees one tenant, set per transaction; the worker serves all.
DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['tenants', 'login_events', 'event_conflicts', 'control_records', 'dead_letters', 'import_results',
        'profiles', 'source_activity', 'source_view', 'review_queue', 'value_counts', 'value_sketches', 'policies', 'anomalies', 'doubts', 'outbox']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY worker ON %I TO gatewatch_worker USING (true) WITH CHECK (true)', v_table);
        EXECUTE format('CREATE POLICY app ON %I TO gatewatch_app USING (tenant_id = current_setting(''gatewatch.tenant'', true)) WITH CHECK (tenant_id = current_setting(''gatewatch.tenant'', true))', v_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO gatewatch_worker', v_table);
        EXECUTE format('GRANT SELECT ON %I TO gatewatch_app', v_table);
    END LOOP;
    -- Growing a topic moves queued reviews of all tenants to their new owners, in a function of the owner's.
    EXECUTE format('CREATE POLICY owner ON review_queue TO %I USING (true) WITH CHECK (true)', current_user);
END $$;
GRANT SELECT ON topics, log_heads, log_segments, partitions, members, log_gaps, outbox_positions TO gatewatch_worker, gatewatch_app;
GRANT UPDATE (rolled_at) ON topics TO gatewatch_worker;  -- whoever queues reviews holds off a growth (FOR SHARE)
GRANT SELECT ON event_log TO gatewatch_worker;  -- it holds all tenants' records: not for the app
GRANT INSERT, UPDATE, DELETE ON partitions, members, log_gaps, outbox_positions TO gatewatch_worker;
REVOKE ALL ON FUNCTION create_topic, create_segment, log_append, log_roll, log_drop, grow_topic, create_event_partition, drop_event_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_topic, log_append, log_roll, log_drop, grow_topic, create_event_partition, drop_event_partitions TO gatewatch_worker;
GRANT EXECUTE ON FUNCTION log_append TO gatewatch_app;
