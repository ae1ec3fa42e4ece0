-- Taking the next case and deciding one are one round trip each. Both run with the rights of whoever calls them. After the lock, each
-- statement sees what was committed while the lock was awaited.

-- The case that the reviewer has on the screen or reserved, else the oldest free one, leased until `until`; NULL if there is none.
CREATE FUNCTION take_case(taker text, moment timestamptz, until timestamptz) RETURNS uuid LANGUAGE plpgsql SET search_path = etle, pg_temp AS $$
DECLARE
    taken uuid;
BEGIN
    -- One call per reviewer at a time: two at once, from two windows, would lease two cases.
    PERFORM pg_advisory_xact_lock(hashtextextended('queue ' || taker, 0));
    SELECT violation INTO taken FROM queue WHERE reviewer = taker ORDER BY ahead, occurred_at, violation LIMIT 1 FOR UPDATE;
    IF taken IS NULL THEN
        SELECT violation INTO taken FROM queue WHERE reviewer IS NULL OR expires_at <= moment
        ORDER BY occurred_at, violation LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    UPDATE queue SET reviewer = taker, expires_at = until, ahead = false WHERE violation = taken;
    RETURN taken;
END
$$;

-- Adds the decision and takes the case from the queue, unless `known` (NULL: any) is not its number of decisions, or `any_lease` is false
-- and another reviewer has it on the screen. Returns the number of decisions before (NULL: there is no such case), who has it until when,
-- and whether the decision was added.
CREATE FUNCTION decide_case(
    session text, decided uuid, verdict text, reason text, plate_text text, note text, decider text, moment timestamptz,
    seconds_taken double precision, nonce uuid, signature text, known integer, any_lease boolean,
    OUT earlier bigint, OUT taken_by text, OUT taken_until timestamptz, OUT added boolean
) LANGUAGE plpgsql SET search_path = etle, pg_temp AS $$
BEGIN
    added := false;
    -- An advisory lock, not a row lock: the row of the queue is deleted with the first decision, and locking the row of the violation needs
    -- the right to change it, which no reviewer has.
    PERFORM pg_advisory_xact_lock(hashtextextended('case ' || decided, 0));
    SELECT (SELECT count(*) FROM decisions d WHERE d.violation = v.id) INTO earlier FROM violations v WHERE v.id = decided;
    IF earlier IS NULL OR earlier <> known THEN
        RETURN;
    END IF;
    SELECT q.reviewer, q.expires_at INTO taken_by, taken_until FROM queue q WHERE q.violation = decided FOR UPDATE;
    IF NOT any_lease AND taken_by <> decider AND taken_until > moment THEN
        RETURN;
    END IF;
    PERFORM add_decision(session, decided, verdict, reason, plate_text, note, decider, moment, seconds_taken, nonce, signature);
    added := true;
END
$$;
REVOKE ALL ON FUNCTION take_case, decide_case FROM PUBLIC;
