-- What the roles `etle_reviewer` and `etle_writer` may do beyond reading goes through the functions and triggers here. They run as the owner,
-- take times from the database, and accept a name only from whoever holds an open session of that user. Who has the rights of the owner,
-- such as the embedded database's only user, gives times and names.

CREATE FUNCTION acts_as_owner() RETURNS boolean LANGUAGE sql STABLE SET search_path = etle, pg_temp AS $$
    SELECT pg_has_role(session_user, relowner, 'USAGE') FROM pg_class WHERE oid = 'etle.violations'::regclass
$$;

-- The user of a session that is open now; NULL without one.
CREATE FUNCTION user_of_session(session text) RETURNS users LANGUAGE sql STABLE SET search_path = etle, pg_temp AS $$
    SELECT u.*
    FROM sessions s JOIN users u ON u.name = s.user_name
    WHERE s.token_hash = session AND s.ended_at IS NULL AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL
$$;

CREATE FUNCTION add_access(
    session text, at timestamptz, who text, address text, action text, violation uuid, detail text, nonce uuid, signature text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() THEN
        at := clock_timestamp();
        IF (user_of_session(session)).name IS DISTINCT FROM who
            AND NOT (session IS NULL AND action IN ('sign_in_failed', 'sign_in_throttled')) THEN
            RAISE insufficient_privilege USING MESSAGE = 'a line of the access log in the name of ' || who || ' needs a session of that user';
        END IF;
    END IF;
    INSERT INTO access_log (at, who, address, action, violation, detail, nonce, signature)
    VALUES (at, who, address, action, violation, detail, nonce, signature);
END
$$;

CREATE FUNCTION add_decision(
    session text, violation uuid, verdict text, reason text, plate_text text, note text, reviewer text, decided_at timestamptz,
    seconds_taken double precision, nonce uuid, signature text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
DECLARE
    acting users := user_of_session(session);
BEGIN
    IF NOT acts_as_owner() THEN
        decided_at := clock_timestamp();
        IF acting.name IS DISTINCT FROM reviewer OR acting.role NOT IN ('reviewer', 'supervisor') THEN
            RAISE insufficient_privilege USING MESSAGE = 'a decision of ' || reviewer || ' needs a session of that user, who decides cases';
        END IF;
    END IF;
    INSERT INTO decisions (violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken, nonce, signature)
    VALUES (violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken, nonce, signature);
    DELETE FROM queue q WHERE q.violation = add_decision.violation;
END
$$;

-- A hash of the password is computed outside, with these parameters and this salt, and compared here: nobody reads it.
CREATE FUNCTION password_parameters(user_name text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = etle, pg_temp AS $$
    SELECT regexp_replace(password_hash, '[^$]*$', '') || repeat('A', length(substring(password_hash FROM '[^$]*$')))
    FROM users WHERE name = user_name AND disabled_at IS NULL
$$;

CREATE FUNCTION password_matches(user_name text, hash text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = etle, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM users WHERE name = user_name AND disabled_at IS NULL AND password_digest = encode(sha256(hash::bytea), 'hex')
    )
$$;

-- False, and no session, without the right hash of the password; the owner gives none.
CREATE FUNCTION open_session(
    token_hash text, user_name text, hash text, address text, created_at timestamptz, expires_at timestamptz, nonce uuid, signature text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() THEN
        created_at := clock_timestamp();
        expires_at := created_at + interval '10 hours';
    END IF;
    IF NOT (acts_as_owner() AND hash IS NULL OR password_matches(user_name, hash)) THEN
        RETURN false;
    END IF;
    INSERT INTO sessions (token_hash, user_name, address, created_at, last_seen_at, expires_at, nonce, signature)
    VALUES (token_hash, user_name, address, created_at, created_at, expires_at, nonce, signature);
    RETURN true;
END
$$;

-- The user of the session, if it is open and was not idle for longer than `idle`. Activity is recorded when the recorded one is older than
-- `resolution`: not with each picture of a page.
CREATE FUNCTION continue_session(session text, moment timestamptz, idle interval, resolution interval,
    OUT name text, OUT role text, OUT created_at timestamptz, OUT disabled_at timestamptz, OUT last_seen_at timestamptz
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() THEN
        moment := clock_timestamp();
    END IF;
    FOR name, role, created_at, disabled_at, last_seen_at IN
        SELECT u.name, u.role, u.created_at, u.disabled_at, s.last_seen_at
        FROM sessions s JOIN users u ON u.name = s.user_name
        WHERE s.token_hash = session AND u.disabled_at IS NULL AND s.ended_at IS NULL
          AND s.expires_at > moment AND s.last_seen_at > moment - idle
    LOOP
        IF moment - last_seen_at >= resolution THEN
            UPDATE sessions s SET last_seen_at = greatest(s.last_seen_at, moment) WHERE s.token_hash = session;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE FUNCTION end_session(session text, moment timestamptz, new_nonce uuid, new_signature text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    UPDATE sessions SET ended_at = CASE WHEN acts_as_owner() THEN moment ELSE clock_timestamp() END, nonce = new_nonce,
        signature = new_signature
    WHERE token_hash = session AND ended_at IS NULL;
END
$$;

-- A case is leased to somebody who is signed in, and for an hour at most.
CREATE FUNCTION limit_lease() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() AND NEW.reviewer IS NOT NULL THEN
        IF NOT EXISTS (
            SELECT FROM sessions WHERE user_name = NEW.reviewer AND ended_at IS NULL AND expires_at > clock_timestamp()
        ) THEN
            RAISE insufficient_privilege USING MESSAGE = 'a case cannot be leased to ' || NEW.reviewer || ', who is not signed in';
        END IF;
        NEW.expires_at := least(NEW.expires_at, clock_timestamp() + interval '1 hour');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER queue_limited BEFORE UPDATE ON queue FOR EACH ROW EXECUTE FUNCTION limit_lease();

CREATE FUNCTION stamp_violation() RETURNS trigger LANGUAGE plpgsql SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() THEN
        NEW.recorded_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER violations_stamped BEFORE INSERT ON violations FOR EACH ROW EXECUTE FUNCTION stamp_violation();

CREATE FUNCTION stamp_loss() RETURNS trigger LANGUAGE plpgsql SET search_path = etle, pg_temp AS $$
BEGIN
    IF NOT acts_as_owner() THEN
        NEW.counted_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER losses_stamped BEFORE INSERT ON losses FOR EACH ROW EXECUTE FUNCTION stamp_loss();

REVOKE ALL ON FUNCTION user_of_session, add_access, add_decision, password_parameters, password_matches, open_session, continue_session,
    end_session, seal_audit_log FROM PUBLIC;
