-- Who may sign in to the pages of the reviewers, who is signed in, and what each of them looked at and did.

CREATE TABLE users (
    name          text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    role          text NOT NULL CHECK (role IN ('reviewer', 'supervisor', 'auditor', 'admin')),
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz
);

-- A session is known by the digest of its token: who reads this table cannot sign in with it.
CREATE TABLE sessions (
    token_hash   text PRIMARY KEY CHECK (length(token_hash) = 64),
    user_name    text NOT NULL REFERENCES users (name),
    address      text NOT NULL,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz
);
CREATE INDEX sessions_of_user ON sessions (user_name);

-- Names are those that were typed: a failed sign-in may name nobody.
CREATE TABLE access_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    who       text NOT NULL,
    address   text NOT NULL,
    action    text NOT NULL,
    violation uuid,
    detail    text NOT NULL DEFAULT ''
);
CREATE INDEX access_log_at ON access_log (at);
CREATE INDEX access_log_violation ON access_log (violation) WHERE violation IS NOT NULL;
CREATE INDEX access_log_failures ON access_log (at, who, address) WHERE action = 'sign_in_failed';

CREATE TRIGGER access_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
