-- Signs the cookies of browsers without a session, so that a form for signing in cannot be planted. All web hosts use the same.

CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL CHECK (length(value) >= 32)
);
INSERT INTO secrets (name, value) VALUES ('sign-in form', decode(translate(gen_random_uuid() || '' || gen_random_uuid(), '-', ''), 'hex'));

-- Whether a user signed in from an address before.
DROP INDEX sessions_of_user;
CREATE INDEX sessions_of_user ON sessions (user_name, address, created_at);
