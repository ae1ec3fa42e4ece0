-- What each role of a deployment may do in the database, and no more. Applied again after every migration: it takes everything away
-- first. The owner of the tables migrates and administers users; no role here may change or remove a decision, a violation or a line of
-- the access log, and the triggers of the tables refuse that to the owner too.

DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['etle_writer', 'etle_reviewer', 'etle_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader;
REVOKE ALL ON SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader;

GRANT USAGE ON SCHEMA etle TO etle_writer, etle_reviewer, etle_reader;
GRANT SELECT ON etle.migrations TO etle_writer, etle_reviewer, etle_reader;

-- `etle write`: looks whether a case is there, adds violations, the names of their files, and their place in the queue.
GRANT INSERT ON etle.violations, etle.evidence_files, etle.queue, etle.losses TO etle_writer;
GRANT SELECT ON etle.violations, etle.queue, etle.decisions TO etle_writer;

-- `etle review`: reads cases, deals the queue out, adds decisions; keeps sessions and the access log.
GRANT SELECT ON etle.violations, etle.evidence_files, etle.decisions, etle.queue, etle.losses TO etle_reviewer;
GRANT INSERT ON etle.decisions TO etle_reviewer;
GRANT UPDATE, DELETE ON etle.queue TO etle_reviewer;
GRANT SELECT ON etle.users, etle.sessions, etle.access_log TO etle_reviewer;
GRANT INSERT ON etle.sessions, etle.access_log TO etle_reviewer;
GRANT UPDATE (last_seen_at, ended_at) ON etle.sessions TO etle_reviewer;

-- `etle evidence verify`, `etle violations`, reports: reads, and neither passwords nor sessions.
GRANT SELECT ON etle.violations, etle.evidence_files, etle.decisions, etle.queue, etle.losses, etle.access_log TO etle_reader;
