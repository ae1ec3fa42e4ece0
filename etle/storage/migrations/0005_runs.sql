-- Runs: results of processing recorded frames again, beside the cases and never among them.

-- `plan` says what is processed with what; a run is only ever continued with the same plan.
CREATE TABLE runs (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' AND name <> 'live'),
    site        text NOT NULL,
    plan        jsonb NOT NULL,
    started_by  text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz
);

-- How far each camera of a run is. `busy_s` is the time that workers spent on it, from which the rate follows.
CREATE TABLE run_cameras (
    run         text NOT NULL REFERENCES runs (name),
    camera      text NOT NULL,
    frames      bigint NOT NULL,
    rejected    bigint NOT NULL,
    busy_s      double precision NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (run, camera)
);

CREATE TABLE run_violations (
    run         text NOT NULL REFERENCES runs (name),
    violation   uuid NOT NULL,
    camera      text NOT NULL,
    rule        text NOT NULL,
    occurred_at timestamptz NOT NULL,
    plate       text,
    document    jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (run, violation)
);
CREATE INDEX run_violations_occurred ON run_violations (run, occurred_at, violation);
CREATE TRIGGER run_violations_stay BEFORE UPDATE ON run_violations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
