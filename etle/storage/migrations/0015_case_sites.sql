-- Lists and reports select by site, and order open cases by when the letter of their Polda is due: both stand beside each case.
ALTER TABLE case_states ADD COLUMN site text, ADD COLUMN polda text;

CREATE OR REPLACE FUNCTION rebuild_case_states() RETURNS void LANGUAGE sql SET search_path = etle, pg_temp AS $$
    TRUNCATE case_states, case_counts, cameras;
    INSERT INTO case_states (violation, occurred_at, rule, camera, plate, state, decided_plate, reviewer, decided_at, site, polda)
    SELECT v.id, v.occurred_at, v.rule, v.camera, v.plate, coalesce(d.verdict, 'open'), d.plate_text, d.reviewer, d.decided_at, v.site,
        v.document -> 'body' ->> 'polda'
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
ALTER TABLE case_states ALTER COLUMN site SET NOT NULL;

CREATE OR REPLACE FUNCTION violation_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE camera_name text := coalesce(NEW.document -> 'body' ->> 'camera_name', NEW.camera);
BEGIN
    INSERT INTO case_states (violation, occurred_at, rule, camera, plate, site, polda)
    VALUES (NEW.id, NEW.occurred_at, NEW.rule, NEW.camera, NEW.plate, NEW.site, NEW.document -> 'body' ->> 'polda');
    IF NOT EXISTS (SELECT FROM cameras WHERE site = NEW.site AND camera = NEW.camera AND name = camera_name) THEN
        INSERT INTO cameras (site, camera, name) VALUES (NEW.site, NEW.camera, camera_name)
        ON CONFLICT (site, camera) DO UPDATE SET name = excluded.name;
    END IF;
    RETURN NULL;
END
$$;
