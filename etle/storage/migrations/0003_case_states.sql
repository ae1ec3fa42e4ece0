-- What lists and counters of cases read, maintained as cases are added and decided, so that no page reads more as cases accumulate.
-- Everything here follows from violations, decisions and the queue; `rebuild_case_states` computes it anew.

-- All parts of two and three characters of a plate as read and as decided: a search by a part of a plate looks them up in a GIN index.
-- Unlike the extension pg_trgm this needs no extension, which the embedded server does not have, and finds parts of two characters.
CREATE FUNCTION plate_parts(read text, decided text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(plate, first, size)), '{}')
    FROM unnest(ARRAY[read, decided]) AS plate, generate_series(2, 3) AS size, generate_series(1, length(plate) - size + 1) AS first
$$;

-- One row per case: what it is searched, sorted and filtered by. `state` is `open` or the verdict of the last decision; `reviewer`,
-- `decided_at` and `decided_plate` are of the last decision.
CREATE TABLE case_states (
    violation     uuid PRIMARY KEY REFERENCES violations (id) ON DELETE CASCADE,
    occurred_at   timestamptz NOT NULL,
    rule          text NOT NULL,
    camera        text NOT NULL,
    plate         text,
    state         text NOT NULL DEFAULT 'open',
    decided_plate text,
    reviewer      text,
    decided_at    timestamptz
);

-- Changes of the number of cases by state and rule: a number is the sum of its rows. Rows are only added, so that reviewers who decide at
-- the same time do not wait for each other; now and then the rows of a number are replaced by their sum.
CREATE TABLE case_counts (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL,
    rule  text NOT NULL,
    cases bigint NOT NULL
);
ALTER TABLE case_counts SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Cameras that a case was recorded by, with the name that their last change gave them.
CREATE TABLE cameras (
    site   text,
    camera text,
    name   text NOT NULL,
    PRIMARY KEY (site, camera)
);

-- Run by the owner after it changed violations, decisions or the queue with triggers disabled.
CREATE FUNCTION rebuild_case_states() RETURNS void LANGUAGE sql SET search_path = etle, pg_temp AS $$
    TRUNCATE case_states, case_counts, cameras;
    INSERT INTO case_states
    SELECT v.id, v.occurred_at, v.rule, v.camera, v.plate, coalesce(d.verdict, 'open'), d.plate_text, d.reviewer, d.decided_at
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

CREATE INDEX case_states_occurred ON case_states (occurred_at, violation);
CREATE INDEX case_states_state ON case_states (state, occurred_at, violation);
CREATE INDEX case_states_rule ON case_states (rule, occurred_at, violation);
CREATE INDEX case_states_camera ON case_states (camera, occurred_at, violation);
CREATE INDEX case_states_reviewer ON case_states (reviewer, occurred_at, violation) WHERE reviewer IS NOT NULL;
CREATE INDEX case_states_decided ON case_states (decided_at, violation) WHERE decided_at IS NOT NULL;
CREATE INDEX case_states_plate ON case_states USING gin (plate_parts(plate, decided_plate)) WITH (fastupdate = off);
CREATE INDEX access_log_who ON access_log (who, id);

-- The trigger functions run as the owner: a role that adds a decision has no rights on these tables but to read them.

CREATE FUNCTION count_cases(counted_state text, counted_rule text, change bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE row_id bigint;
BEGIN
    INSERT INTO case_counts (state, rule, cases) VALUES (counted_state, counted_rule, change) RETURNING id INTO row_id;
    IF row_id % 256 = 0 AND pg_try_advisory_xact_lock(hashtextextended('case_counts', 0)) THEN
        WITH replaced AS (DELETE FROM case_counts RETURNING state, rule, cases)
        INSERT INTO case_counts (state, rule, cases) SELECT state, rule, sum(cases) FROM replaced GROUP BY state, rule;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION count_cases, rebuild_case_states FROM PUBLIC;

CREATE FUNCTION violation_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE camera_name text := coalesce(NEW.document -> 'body' ->> 'camera_name', NEW.camera);
BEGIN
    INSERT INTO case_states (violation, occurred_at, rule, camera, plate)
    VALUES (NEW.id, NEW.occurred_at, NEW.rule, NEW.camera, NEW.plate);
    IF NOT EXISTS (SELECT FROM cameras WHERE site = NEW.site AND camera = NEW.camera AND name = camera_name) THEN
        INSERT INTO cameras (site, camera, name) VALUES (NEW.site, NEW.camera, camera_name)
        ON CONFLICT (site, camera) DO UPDATE SET name = excluded.name;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER violation_added AFTER INSERT ON violations FOR EACH ROW EXECUTE FUNCTION violation_added();

CREATE FUNCTION decision_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE before case_states;
BEGIN
    SELECT * INTO before FROM case_states WHERE violation = NEW.violation FOR UPDATE;
    UPDATE case_states
    SET state = NEW.verdict, decided_plate = NEW.plate_text, reviewer = NEW.reviewer, decided_at = NEW.decided_at
    WHERE violation = NEW.violation;
    IF before.state <> 'open' THEN
        PERFORM count_cases(before.state, before.rule, -1);
    END IF;
    PERFORM count_cases(NEW.verdict, before.rule, 1);
    RETURN NULL;
END
$$;
CREATE TRIGGER decision_added AFTER INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION decision_added();

CREATE FUNCTION queue_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM count_cases('open', (SELECT rule FROM violations WHERE id = NEW.violation), 1);
    ELSE
        PERFORM count_cases('open', (SELECT rule FROM violations WHERE id = OLD.violation), -1);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER queue_changed AFTER INSERT OR DELETE ON queue FOR EACH ROW EXECUTE FUNCTION queue_changed();
