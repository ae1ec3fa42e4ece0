-- Violations, their files, what was decided about them, and how far the stages have come.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on etle.%: its rows are only ever added', TG_OP, TG_TABLE_NAME
        USING HINT = 'A decision is superseded by a further one; a violation stays as it was captured.';
END
$$;

-- The document is the whole violation; the columns beside it are those that are searched.
CREATE TABLE violations (
    id          uuid PRIMARY KEY,
    site        text NOT NULL,
    camera      text NOT NULL,
    rule        text NOT NULL,
    occurred_at timestamptz NOT NULL,
    plate       text,
    vehicle     text NOT NULL,
    document    jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX violations_occurred ON violations (occurred_at, id);
CREATE INDEX violations_camera ON violations (camera, occurred_at, id);
CREATE INDEX violations_rule ON violations (rule, occurred_at, id);
CREATE INDEX violations_plate ON violations (plate, occurred_at, id) WHERE plate IS NOT NULL;
CREATE TRIGGER violations_stay BEFORE UPDATE ON violations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One file may belong to several violations: two vehicles on one picture.
CREATE TABLE evidence_files (
    violation uuid NOT NULL REFERENCES violations (id),
    digest    text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    suffix    text NOT NULL,
    bytes     bigint NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (violation, digest)
);
CREATE INDEX evidence_files_digest ON evidence_files (digest);
CREATE TRIGGER evidence_files_stay BEFORE UPDATE ON evidence_files FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A case's state is its last decision; `id` is the order in which they were made.
CREATE TABLE decisions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    violation     uuid NOT NULL REFERENCES violations (id),
    verdict       text NOT NULL CHECK (verdict IN ('confirm', 'reject', 'warn')),
    reason        text CHECK (verdict <> 'reject' OR reason IS NOT NULL),
    plate_text    text,
    note          text NOT NULL,
    reviewer      text NOT NULL,
    decided_at    timestamptz NOT NULL,
    seconds_taken double precision
);
CREATE INDEX decisions_violation ON decisions (violation, id);
CREATE INDEX decisions_reviewer ON decisions (reviewer, decided_at);
CREATE TRIGGER decisions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The open cases, one row each until its first decision, with the reviewer who has it on the screen.
-- Past `expires_at` another may be given it.
CREATE TABLE queue (
    violation   uuid PRIMARY KEY REFERENCES violations (id),
    occurred_at timestamptz NOT NULL,
    reviewer    text,
    expires_at  timestamptz,
    CHECK ((reviewer IS NULL) = (expires_at IS NULL))
);
CREATE INDEX queue_oldest ON queue (occurred_at, violation);
CREATE INDEX queue_reviewer ON queue (reviewer) WHERE reviewer IS NOT NULL;

CREATE TABLE checkpoints (
    stream   text PRIMARY KEY,
    position bigint NOT NULL,
    state    bytea NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
);

-- Pictures that never reached a rule, and why (`Loss` of ingest): each row adds to the ones before.
CREATE TABLE losses (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera     text NOT NULL,
    reason     text NOT NULL,
    times      bigint NOT NULL CHECK (times > 0),
    counted_at timestamptz NOT NULL
);
CREATE INDEX losses_camera ON losses (camera, counted_at);
