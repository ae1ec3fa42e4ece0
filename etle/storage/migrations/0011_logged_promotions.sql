-- Approvals, promotions and proposals of runs are signed rows and entries of the audit log, as decisions are.
ALTER TABLE run_approvals ADD nonce uuid UNIQUE, ADD signature text;
ALTER TABLE promotions ADD nonce uuid UNIQUE, ADD signature text;
ALTER TABLE proposals ADD nonce uuid UNIQUE, ADD signature text;

CREATE TRIGGER run_approvals_logged AFTER INSERT ON run_approvals FOR EACH ROW EXECUTE FUNCTION log_row('approval', 'id', '{}');
CREATE TRIGGER promotions_logged AFTER INSERT ON promotions FOR EACH ROW EXECUTE FUNCTION log_row('promotion', 'run', '{}');
CREATE TRIGGER proposals_logged AFTER INSERT ON proposals FOR EACH ROW EXECUTE FUNCTION log_row('proposal', 'id', '{}');

-- Rows from before are entered as they were found.
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'approval', id::text, audit_entry('approval', id::text, to_jsonb(a), true) FROM run_approvals a ORDER BY id;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'promotion', run, audit_entry('promotion', run, to_jsonb(p), true) FROM promotions p ORDER BY promoted_at, run;
INSERT INTO audit_inbox (kind, key, entry)
    SELECT 'proposal', id::text, audit_entry('proposal', id::text, to_jsonb(p), true) FROM proposals p ORDER BY id;
