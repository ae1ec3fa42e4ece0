-- Rights of each database role. Applied again after every migration: all rights are revoked first, then granted. The owner of the tables
-- migrates and administers users. No role may change or remove a decision, a violation or an entry of the access log; triggers of the
-- tables refuse that to the owner too.

DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['etle_writer', 'etle_reviewer', 'etle_reader', 'etle_reprocess'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader, etle_reprocess;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader, etle_reprocess;
REVOKE ALL ON FUNCTION etle.seal_audit_log, etle.user_of_session, etle.add_access, etle.add_decision, etle.password_parameters,
    etle.password_matches, etle.open_session, etle.continue_session, etle.end_session, etle.take_case, etle.decide_case
FROM PUBLIC, etle_writer, etle_reviewer, etle_reader, etle_reprocess;
REVOKE ALL ON SCHEMA etle FROM PUBLIC, etle_writer, etle_reviewer, etle_reader, etle_reprocess;

GRANT USAGE ON SCHEMA etle TO etle_writer, etle_reviewer, etle_reader, etle_reprocess;
GRANT SELECT ON etle.migrations TO etle_writer, etle_reviewer, etle_reader, etle_reprocess;

-- `etle write`: adds violations, the digests of their files, and their entries in the queue; checks whether a case is stored. Times are the
-- database's.
GRANT INSERT ON etle.violations, etle.evidence_files TO etle_writer;
GRANT INSERT (violation, occurred_at) ON etle.queue TO etle_writer;
GRANT INSERT (camera, reason, times, counted_at) ON etle.losses TO etle_writer;
GRANT SELECT (id, site, camera, rule, occurred_at, plate) ON etle.violations TO etle_writer;
GRANT EXECUTE ON FUNCTION etle.seal_audit_log TO etle_writer, etle_reviewer;

-- `etle review`: reads cases and leases open ones. Decisions, sessions and entries of the access log are added by functions, which take times
-- from the database and names from sessions. Password hashes and session tokens cannot be read.
GRANT SELECT ON etle.violations, etle.evidence_files, etle.decisions, etle.queue, etle.losses, etle.access_log TO etle_reviewer;
GRANT SELECT ON etle.case_states, etle.case_counts, etle.cameras, etle.proposals, etle.secrets, etle.campaigns TO etle_reviewer;
GRANT SELECT ON etle.runs, etle.run_cameras, etle.run_violations, etle.promotions TO etle_reviewer;
GRANT SELECT (name, role, created_at, disabled_at) ON etle.users TO etle_reviewer;
GRANT SELECT (token_digest, user_name, address, created_at, last_seen_at, expires_at, ended_at, nonce) ON etle.sessions TO etle_reviewer;
GRANT UPDATE (reviewer, expires_at, ahead) ON etle.queue TO etle_reviewer;
GRANT EXECUTE ON FUNCTION etle.add_access, etle.add_decision, etle.password_parameters, etle.password_matches, etle.open_session,
    etle.continue_session, etle.end_session, etle.take_case, etle.decide_case TO etle_reviewer;

-- `etle evidence verify`, `etle violations`, reports: read access, without password hashes and session tokens.
GRANT SELECT ON etle.audit_log, etle.audit_inbox TO etle_reader;
GRANT SELECT (name, role, created_at, disabled_at, nonce, signature, password_digest) ON etle.users TO etle_reader;
GRANT SELECT (token_digest, user_name, address, created_at, last_seen_at, expires_at, ended_at, nonce, signature)
ON etle.sessions TO etle_reader;
GRANT SELECT ON etle.case_states, etle.case_counts, etle.cameras, etle.campaigns TO etle_reader;
GRANT SELECT ON etle.runs, etle.run_cameras, etle.run_violations, etle.run_approvals, etle.promotions, etle.proposals TO etle_reader;
-- For `etle evidence verify`, which compares every row with the audit log. Nobody else but the owner sees the watch list.
GRANT SELECT ON etle.watch_changes TO etle_reader;
GRANT SELECT ON etle.violations, etle.evidence_files, etle.decisions, etle.queue, etle.losses, etle.access_log TO etle_reader;

-- `etle reprocess-worker`, `etle reprocess --distribute`: adds runs and what they find, and keeps how far they are. Sees no case.
GRANT SELECT ON etle.runs, etle.run_cameras, etle.checkpoints TO etle_reprocess;
GRANT SELECT (run, violation) ON etle.run_violations TO etle_reprocess;
GRANT INSERT ON etle.runs, etle.run_cameras, etle.run_violations, etle.checkpoints TO etle_reprocess;
GRANT UPDATE (finished_at) ON etle.runs TO etle_reprocess;
GRANT UPDATE (frames, rejected, busy_s, finished_at) ON etle.run_cameras TO etle_reprocess;
GRANT UPDATE (position, state, saved_at) ON etle.checkpoints TO etle_reprocess;
