-- The audit log: an append-only, hash-chained copy of every manifest, decision, line of the access log, change of an account or session and
-- count of lost frames, so that a later change of those rows, or of the log, contradicts it.
--
-- A row trigger writes each entry to `audit_inbox` in the transaction of the row, without any lock. `seal_audit_log` moves the committed
-- entries to `audit_log` and chains them, one caller at a time: reviewers never wait for each other. Nobody names id, time, role or digest.

CREATE TABLE audit_inbox (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind  text NOT NULL,
    key   text NOT NULL,
    entry text NOT NULL
);
CREATE INDEX audit_inbox_key ON audit_inbox (kind, key);

-- `digest` is SHA-256 of the digest before it and the SHA-256 of `entry`, both in hexadecimal, one after the other. Before the first: 64 zeros.
CREATE TABLE audit_log (
    position bigint PRIMARY KEY CHECK (position > 0),
    kind     text NOT NULL,
    key      text NOT NULL,
    entry    text NOT NULL,
    digest   text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$')
);
CREATE INDEX audit_log_key ON audit_log (kind, key, position);

-- Who adds or changes such a row signs it, with a key that is not in the database: a row that is added by hand lacks the signature.
-- The nonce is signed too: a signed row cannot be copied.
ALTER TABLE decisions ADD nonce uuid UNIQUE, ADD signature text;
ALTER TABLE access_log ADD nonce uuid UNIQUE, ADD signature text;
ALTER TABLE users ADD nonce uuid, ADD signature text,
    ADD password_digest text GENERATED ALWAYS AS (encode(sha256(password_hash::bytea), 'hex')) STORED;
ALTER TABLE sessions ADD nonce uuid, ADD signature text,
    ADD token_digest text GENERATED ALWAYS AS (encode(sha256(token_hash::bytea), 'hex')) STORED;
CREATE UNIQUE INDEX sessions_token_digest ON sessions (token_digest);

CREATE FUNCTION audit_entry(kind text, key text, content jsonb, imported boolean) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT (jsonb_build_object('kind', kind, 'key', key, 'logged_at', clock_timestamp(), 'role', session_user, 'row', content)
        || CASE WHEN imported THEN '{"imported": true}'::jsonb ELSE '{}'::jsonb END)::text
$$;

-- Arguments: kind of the entry, column that identifies the row, columns that are left out.
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    content jsonb := to_jsonb(NEW) - TG_ARGV[2]::text[];
    row_key text := content ->> TG_ARGV[1];
BEGIN
    INSERT INTO audit_inbox (kind, key, entry) VALUES (TG_ARGV[0], row_key, audit_entry(TG_ARGV[0], row_key, content, false));
    RETURN NULL;
END
$$;

CREATE FUNCTION seal_audit_log(OUT head_position bigint, OUT head_digest text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = etle, pg_temp AS $$
DECLARE
    waiting record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('etle.audit_log', 0));
    SELECT position, digest INTO head_position, head_digest FROM audit_log ORDER BY position DESC LIMIT 1;
    head_position := coalesce(head_position, 0);
    head_digest := coalesce(head_digest, repeat('0', 64));
    FOR waiting IN
        WITH moved AS (DELETE FROM audit_inbox RETURNING id, kind, key, entry) SELECT * FROM moved ORDER BY id
    LOOP
        head_position := head_position + 1;
        head_digest := encode(sha256((head_digest || encode(sha256(convert_to(waiting.entry, 'UTF8')), 'hex'))::bytea), 'hex');
        INSERT INTO audit_log (position, kind, key, entry, digest)
        VALUES (head_position, waiting.kind, waiting.key, waiting.entry, head_digest);
    END LOOP;
END
$$;

CREATE TRIGGER violations_logged AFTER INSERT ON violations
    FOR EACH ROW EXECUTE FUNCTION log_row('violation', 'id', '{document}');
CREATE TRIGGER manifests_logged AFTER INSERT ON evidence_files
    FOR EACH ROW WHEN (NEW.suffix = '.manifest') EXECUTE FUNCTION log_row('manifest', 'violation', '{}');
CREATE TRIGGER decisions_logged AFTER INSERT ON decisions
    FOR EACH ROW EXECUTE FUNCTION log_row('decision', 'id', '{}');
CREATE TRIGGER access_log_logged AFTER INSERT ON access_log
    FOR EACH ROW EXECUTE FUNCTION log_row('access', 'id', '{}');
CREATE TRIGGER users_logged AFTER INSERT OR UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION log_row('user', 'name', '{password_hash}');
CREATE TRIGGER sessions_logged AFTER INSERT OR UPDATE OF ended_at ON sessions
    FOR EACH ROW EXECUTE FUNCTION log_row('session', 'token_digest', '{token_hash,last_seen_at}');
CREATE TRIGGER losses_logged AFTER INSERT ON losses
    FOR EACH ROW EXECUTE FUNCTION log_row('loss', 'id', '{}');

-- What the tables' owner may still do (disable a trigger, drop a table) contradicts the log, and the heads that were exported from it.
CREATE TRIGGER violations_remain BEFORE DELETE OR TRUNCATE ON violations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evidence_files_remain BEFORE DELETE OR TRUNCATE ON evidence_files FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER losses_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON losses FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_inbox_stays BEFORE UPDATE OR TRUNCATE ON audit_inbox FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER users_remain BEFORE DELETE OR TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sessions_remain BEFORE DELETE OR TRUNCATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION keep_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.token_hash, NEW.user_name, NEW.address, NEW.created_at, NEW.expires_at)
        IS DISTINCT FROM (OLD.token_hash, OLD.user_name, OLD.address, OLD.created_at, OLD.expires_at)
        OR NEW.ended_at IS DISTINCT FROM OLD.ended_at AND OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'UPDATE on etle.sessions: a session is only seen again and ended once';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sessions_stay BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION keep_session();

CREATE FUNCTION keep_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.name, NEW.created_at) IS DISTINCT FROM (OLD.name, OLD.created_at)
        OR NEW.disabled_at IS DISTINCT FROM OLD.disabled_at AND OLD.disabled_at IS NOT NULL THEN
        RAISE EXCEPTION 'UPDATE on etle.users: name and time of creation stay, and a disabled account stays disabled';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_stay BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep_user();

-- Rows from before are entered as they were found. They have no signatures, and only the entries at the beginning may say so.
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'violation', id::text, audit_entry('violation', id::text, jsonb_build_object('id', id, 'site', site, 'camera', camera,
        'rule', rule, 'occurred_at', occurred_at, 'plate', plate, 'vehicle', vehicle, 'recorded_at', recorded_at), true)
    FROM violations ORDER BY recorded_at, id;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'manifest', violation::text, audit_entry('manifest', violation::text, to_jsonb(f), true)
    FROM evidence_files f WHERE suffix = '.manifest' ORDER BY violation, digest;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'decision', id::text, audit_entry('decision', id::text, to_jsonb(d), true) FROM decisions d ORDER BY id;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'access', id::text, audit_entry('access', id::text, to_jsonb(a), true) FROM access_log a ORDER BY id;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'user', name, audit_entry('user', name, to_jsonb(u) - 'password_hash', true) FROM users u ORDER BY created_at, name;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'session', token_digest, audit_entry('session', token_digest, to_jsonb(s) - '{token_hash,last_seen_at}'::text[], true)
    FROM sessions s ORDER BY created_at, token_digest;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'loss', id::text, audit_entry('loss', id::text, to_jsonb(l), true) FROM losses l ORDER BY id;
SELECT seal_audit_log();
