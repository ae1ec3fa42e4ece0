-- Promoting a run: two people approve the same results, then new violations become cases, and what differs from a case is proposed.

-- `results` is the digest of everything that the run found.
CREATE TABLE run_approvals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run         text NOT NULL REFERENCES runs (name),
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL DEFAULT now(),
    results     text NOT NULL CHECK (results ~ '^[0-9a-f]{64}$'),
    UNIQUE (run, approved_by, results)
);
CREATE TRIGGER run_approvals_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON run_approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE promotions (
    run          text PRIMARY KEY REFERENCES runs (name),
    requested_by text NOT NULL,
    approved_by  text NOT NULL CHECK (approved_by <> requested_by),
    results      text NOT NULL,
    cases_added  bigint NOT NULL,
    proposed     bigint NOT NULL,
    promoted_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (run, requested_by, results) REFERENCES run_approvals (run, approved_by, results),
    FOREIGN KEY (run, approved_by, results) REFERENCES run_approvals (run, approved_by, results)
);
CREATE TRIGGER promotions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON promotions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a promoted run says of a case that exists. It changes nothing: whoever decides the case sees it. `document` is the violation as the
-- run found it, NULL if it did not; `changed` names what differs.
CREATE TABLE proposals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    violation   uuid NOT NULL REFERENCES violations (id),
    run         text NOT NULL REFERENCES runs (name),
    changed     text[] NOT NULL CHECK (cardinality(changed) > 0),
    document    jsonb,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (violation, run)
);
CREATE TRIGGER proposals_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON proposals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
