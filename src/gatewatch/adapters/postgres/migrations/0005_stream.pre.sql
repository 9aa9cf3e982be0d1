-- The stream: events read on in the order they were stored, and what can still be caught up on.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Within a partition the offsets of committed events become visible in their order, since each batch moves `next_offset`.
CREATE INDEX login_events_place ON login_events (tenant_id, part, off);

-- Below which offset events may be gone, because a month was dropped.
CREATE TABLE event_floors (
    topic text NOT NULL,
    part  integer NOT NULL,
    off   bigint NOT NULL,
    PRIMARY KEY (topic, part)
);

-- As in 0003; what was dropped is told. The offsets are read behind the drop, which waits for batches under way, and
-- without a lock on `partitions`, which a batch takes before it waits for the months.
CREATE OR REPLACE FUNCTION drop_event_partitions(p_before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    v_table text;
    v_month timestamptz;
    v_dropped boolean := false;
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
        v_dropped := true;
        RETURN NEXT v_table;
    END LOOP;
    IF v_dropped THEN
        INSERT INTO event_floors (topic, part, off) SELECT p.topic, p.part, p.next_offset FROM partitions p
            ON CONFLICT (topic, part) DO UPDATE SET off = excluded.off;
    END IF;
END $$;

-- From where on nothing is missing: of each partition the first offset, and of each lane of the outbox the number before
-- the oldest message, whoever's they are. It tells numbers only, so it is for the app, which sees one tenant's rows.
CREATE FUNCTION stream_floors(p_topic text) RETURNS TABLE (part integer, events bigint, outbox bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT t.part, t.off, coalesce((SELECT min(o.seq) - 1 FROM outbox o WHERE o.part = t.part), t.out_seq)
    FROM (SELECT p.part, coalesce(f.off, 0), p.out_seq
          FROM partitions p LEFT JOIN event_floors f ON f.topic = p.topic AND f.part = p.part
          WHERE p.topic = p_topic
          UNION ALL SELECT l.lane, 0, l.out_seq FROM outbox_lanes l) AS t (part, off, out_seq)
$$;

-- What a session allows that is alive, without using it: a page that only listens does not keep its session alive.
CREATE FUNCTION access_session_permissions(p_token bytea, p_idle interval) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT a.permissions
    FROM sessions s JOIN accounts a ON a.tenant_id = s.tenant_id AND a.account_id = s.account_id
    WHERE s.token_hash = p_token AND s.seen_at > now() - p_idle AND s.expires_at > now() AND a.disabled_at IS NULL
$$;

REVOKE ALL ON FUNCTION stream_floors, access_session_permissions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stream_floors, access_session_permissions TO gatewatch_app;
