-- Lists over millions of events: what is rare is looked for in the hours that the counts name.

-- The hours of a value. A row of it is written when a value comes for the first time in an hour; counting on leaves it alone.
-- Every row has events: who says so asks for hours, so that top lists, which do not, keep to the order of the key.
CREATE INDEX activity_values_hours ON activity_values (tenant_id, kind, value, bucket)
    WHERE kind IN ('asn', 'country', 'detector', 'user') AND events > 0;

-- What a user or an address with very many logins rarely did is found within their index, and their logins are counted
-- within it: as many entries as before, a few bytes longer.
DROP INDEX login_events_user, login_events_prefix;
CREATE INDEX login_events_user ON login_events (tenant_id, user_key, time, outcome, country);
CREATE INDEX login_events_prefix ON login_events (tenant_id, prefix, time, ip, outcome) WHERE prefix IS NOT NULL;

-- What neither succeeded nor failed (a challenge, an attempt), so that successes are what is left. A detector of before
-- that still runs counts them as successes.
ALTER TABLE activity_values ADD COLUMN others bigint NOT NULL DEFAULT 0;

-- What is stored already. (The owner sees no events while row-level security is forced on it.)
ALTER TABLE login_events NO FORCE ROW LEVEL SECURITY;
UPDATE activity_values v SET others = counted.n
FROM (SELECT e.tenant_id, e.part, date_bin('1 hour', e.time, 'epoch') AS bucket, s.kind, s.value, count(*) AS n
      FROM login_events e
      CROSS JOIN LATERAL (
          SELECT 'country' AS kind, nullif(e.country, '') AS value UNION ALL SELECT 'asn', nullif(e.asn, 0)::text
          UNION ALL SELECT 'user', e.user_key WHERE e.detectors <> '{}'
          UNION ALL SELECT 'ip', host(e.ip) WHERE e.detectors <> '{}'
          UNION ALL (SELECT DISTINCT 'detector', d FROM unnest(e.detectors) AS d)) AS s
      WHERE e.outcome NOT IN ('success', 'failure') AND s.value IS NOT NULL
      GROUP BY 1, 2, 3, 4, 5) AS counted
WHERE (v.tenant_id, v.kind, v.bucket, v.part, v.value)
    = (counted.tenant_id, counted.kind, counted.bucket, counted.part, counted.value);
ALTER TABLE login_events FORCE ROW LEVEL SECURITY;

-- What was said of a user's logins.
CREATE INDEX control_records_user ON control_records (tenant_id, user_key);
