-- Sealing takes at most 20,000 entries in one transaction: after an import of a million cases nobody waits for minutes for the lock.
CREATE OR REPLACE FUNCTION seal_audit_log(OUT head_position bigint, OUT head_digest text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = etle, pg_temp AS $$
DECLARE
    waiting record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('etle.audit_log', 0));
    SELECT position, digest INTO head_position, head_digest FROM audit_log ORDER BY position DESC LIMIT 1;
    head_position := coalesce(head_position, 0);
    head_digest := coalesce(head_digest, repeat('0', 64));
    FOR waiting IN
        WITH moved AS (
            DELETE FROM audit_inbox WHERE id IN (SELECT id FROM audit_inbox ORDER BY id LIMIT 20000) RETURNING id, kind, key, entry
        )
        SELECT * FROM moved ORDER BY id
    LOOP
        head_position := head_position + 1;
        head_digest := encode(sha256((head_digest || encode(sha256(convert_to(waiting.entry, 'UTF8')), 'hex'))::bytea), 'hex');
        INSERT INTO audit_log (position, kind, key, entry, digest)
        VALUES (head_position, waiting.kind, waiting.key, waiting.entry, head_digest);
    END LOOP;
END
$$;
