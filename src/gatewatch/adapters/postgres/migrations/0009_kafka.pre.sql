-- A log that lies on Kafka: who processes what, and from where on, stays here; the records do not.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Which cluster's which topic holds the records; NULL: they lie in event_log.
ALTER TABLE topics ADD COLUMN kafka_id text;
-- Until when everything that came to a partition was read; its owner tells. What nobody reads falls behind by itself.
ALTER TABLE log_heads ADD COLUMN read_until timestamptz NOT NULL DEFAULT now();

-- As in 0001, but a log that lies elsewhere takes nothing here, where nobody would read it (GW006).
CREATE OR REPLACE FUNCTION log_append(p_topic text, p_generation integer, p_parts integer[], p_keys text[], p_values bytea[])
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
    IF v_topic.kafka_id IS NOT NULL THEN
        RAISE EXCEPTION 'topic % lies on Kafka: GATEWATCH_KAFKA_BOOTSTRAP must say where', p_topic USING ERRCODE = 'GW006';
    END IF;
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

-- Makes a topic of Kafka's known, once; an embedded log that nobody ever wrote to makes room for it. Any other answer than
-- the same topic is refused (GW005): its offsets would mean something else. Returns the generation.
CREATE FUNCTION register_topic(p_topic text, p_partitions integer, p_kafka_id text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_topic topics%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('gatewatch topics'));
    SELECT * INTO v_topic FROM topics WHERE topic = p_topic FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO topics (topic, partitions, kafka_id) VALUES (p_topic, p_partitions, p_kafka_id);
    ELSIF v_topic.kafka_id IS NULL THEN
        IF EXISTS (SELECT FROM log_heads WHERE topic = p_topic AND end_offset > 0) THEN
            RAISE EXCEPTION 'the log of this database lies in PostgreSQL and was written to: use another database with Kafka'
                USING ERRCODE = 'GW005';
        END IF;
        DELETE FROM log_heads WHERE topic = p_topic;
        DELETE FROM partitions WHERE topic = p_topic;
        UPDATE topics SET partitions = p_partitions, kafka_id = p_kafka_id WHERE topic = p_topic;
    ELSIF v_topic.kafka_id <> p_kafka_id THEN
        RAISE EXCEPTION 'this database knows topic % of another cluster, or one that was deleted since (% instead of %)',
            p_topic, v_topic.kafka_id, p_kafka_id USING ERRCODE = 'GW005';
    ELSIF v_topic.partitions < p_partitions THEN
        RETURN grow_topic(p_topic, p_partitions);
    ELSE
        RETURN v_topic.generation;
    END IF;
    INSERT INTO log_heads (topic, part) SELECT p_topic, generate_series(0, p_partitions - 1);
    INSERT INTO partitions (topic, part) SELECT p_topic, generate_series(0, p_partitions - 1);
    RETURN coalesce(v_topic.generation, 1);
END $$;

-- What the owners of partitions know of their ends. A time ahead of now is now.
CREATE FUNCTION log_tell(p_topic text, p_parts integer[], p_ends bigint[], p_until timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    UPDATE log_heads h SET end_offset = greatest(h.end_offset, u.until_offset), read_until = least(u.read_until, clock_timestamp())
    FROM unnest(p_parts, p_ends, p_until) AS u (part, until_offset, read_until)
    WHERE h.topic = p_topic AND h.part = u.part
$$;

-- As in 0006; of a log on Kafka the owner of a partition tells until when it has read.
CREATE OR REPLACE FUNCTION log_behind(p_topic text, p_part integer) RETURNS double precision
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_next bigint;
    v_kafka text;
    v_until timestamptz;
BEGIN
    SELECT p.next_offset, t.kafka_id, h.read_until INTO v_next, v_kafka, v_until
        FROM partitions p JOIN log_heads h USING (topic, part) JOIN topics t USING (topic)
        WHERE p.topic = p_topic AND p.part = p_part AND (h.end_offset > p.next_offset OR t.kafka_id IS NOT NULL);
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF v_kafka IS NOT NULL THEN
        RETURN extract(epoch FROM clock_timestamp() - v_until);
    END IF;
    RETURN coalesce((SELECT extract(epoch FROM clock_timestamp() - l.appended_at) FROM event_log l
        WHERE l.topic = p_topic AND l.part = p_part AND l.off >= v_next ORDER BY l.off LIMIT 1), 0);
END $$;

-- Decisions whose records lie on a log that is not part of the database: what may not be on it yet.
ALTER TABLE decisions ADD COLUMN unproven bytea[] NOT NULL DEFAULT '{}';
GRANT UPDATE (unproven) ON decisions TO gatewatch_app;

-- Claims a decision's id; its record is unproven until it lies on the log. Whoever comes second is given what stands, with
-- what of it is unproven.
CREATE FUNCTION decision_claim(p_tenant text, p_id text, p_digest bytea, p_record bytea, p_answer bytea)
RETURNS TABLE (claimed boolean, digest bytea, answer bytea, unproven bytea[])
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    INSERT INTO decisions (tenant_id, id, digest, record, answer, unproven)
        VALUES (p_tenant, p_id, p_digest, p_record, p_answer, ARRAY[p_record])
        ON CONFLICT (tenant_id, id) DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT true, p_digest, ''::bytea, ARRAY[p_record];
    ELSE
        RETURN QUERY SELECT false, d.digest, d.answer, d.unproven FROM decisions d WHERE d.tenant_id = p_tenant AND d.id = p_id;
    END IF;
END $$;

-- Remembers what was reported, if nothing else was meanwhile; what follows from it is unproven.
CREATE FUNCTION decision_told(p_tenant text, p_id text, p_login_was text, p_challenge_was text, p_login text, p_challenge text,
    p_values bytea[])
RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    UPDATE decisions SET login = p_login, challenge = p_challenge, unproven = unproven || p_values
        WHERE tenant_id = p_tenant AND id = p_id AND login = p_login_was AND challenge = p_challenge_was;
    RETURN FOUND;
END $$;

-- What was unproven lies on the log; what came to it since does not yet.
CREATE FUNCTION decision_proven(p_tenant text, p_id text, p_values bytea[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('gatewatch.tenant', p_tenant, true);
    UPDATE decisions SET unproven = '{}' WHERE tenant_id = p_tenant AND id = p_id AND unproven = p_values;
END $$;

REVOKE ALL ON FUNCTION register_topic, log_tell, decision_claim, decision_told, decision_proven FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register_topic, log_tell TO gatewatch_worker;
GRANT EXECUTE ON FUNCTION decision_claim, decision_told, decision_proven TO gatewatch_app;
