-- Campaigns (operasi): the last row of an id is in force; one without a document withdraws it.
CREATE TABLE campaigns (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign text NOT NULL CHECK (campaign ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    document jsonb,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL
);
CREATE INDEX campaigns_last ON campaigns (campaign, id DESC);
CREATE TRIGGER campaigns_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON campaigns FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Reports count cases by the day at the place of each.
ALTER TABLE case_states ADD COLUMN timezone text;

CREATE OR REPLACE FUNCTION rebuild_case_states() RETURNS void LANGUAGE sql SET search_path = etle, pg_temp AS $$
    TRUNCATE case_states, case_counts, cameras;
    INSERT INTO case_states
        (violation, occurred_at, rule, camera, plate, state, decided_plate, reviewer, decided_at, site, polda, timezone)
    SELECT v.id, v.occurred_at, v.rule, v.camera, v.plate, coalesce(d.verdict, 'open'), d.plate_text, d.reviewer, d.decided_at, v.site,
        v.document -> 'body' ->> 'polda', v.document -> 'body' ->> 'timezone'
    FROM violations v
    LEFT JOIN (SELECT DISTINCT ON (violation) * FROM decisions ORDER BY violation, id DESC) d ON d.violation = v.id;
    INSERT INTO case_counts (state, rule, cases)
    SELECT 'open', v.rule, count(*) FROM queue q JOIN violations v ON v.id = q.violation GROUP BY v.rule;
    INSERT INTO case_counts (state, rule, cases)
    SELECT state, rule, count(*) FROM case_states WHERE state <> 'open' GROUP BY state, rule;
    INSERT INTO cameras
    SELECT DISTINCT ON (site, camera) site, camera, coalesce(document -> 'body' ->> 'camera_name', camera)
    FROM violations
    ORDER BY site, camera, occurred_at DESC;
$$;
SELECT rebuild_case_states();

CREATE OR REPLACE FUNCTION violation_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE
    body jsonb := NEW.document -> 'body';
    camera_name text := coalesce(body ->> 'camera_name', NEW.camera);
BEGIN
    INSERT INTO case_states (violation, occurred_at, rule, camera, plate, site, polda, timezone)
    VALUES (NEW.id, NEW.occurred_at, NEW.rule, NEW.camera, NEW.plate, NEW.site, body ->> 'polda', body ->> 'timezone');
    IF NOT EXISTS (SELECT FROM cameras WHERE site = NEW.site AND camera = NEW.camera AND name = camera_name) THEN
        INSERT INTO cameras (site, camera, name) VALUES (NEW.site, NEW.camera, camera_name)
        ON CONFLICT (site, camera) DO UPDATE SET name = excluded.name;
    END IF;
    RETURN NULL;
END
$$;
