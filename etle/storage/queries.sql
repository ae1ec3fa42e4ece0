-- Every SQL statement of the stores, by name. Format of this file, which `etle.storage.queries` reads: a line `-- name --`, comments that
-- say what the statement is for, and the statement. Parameters are psycopg2's `%(name)s`. Rows are read by column name, so every column
-- that a SELECT or RETURNING computes has a name. The tables are in the schema `etle`, which is the search path of each connection.


-- ===== Violations and cases: `etle.storage.cases`

-- insert_violation --
-- Returns no row if the violation is stored already.
INSERT INTO violations (id, site, camera, rule, occurred_at, plate, vehicle, document, recorded_at)
VALUES (%(id)s, %(site)s, %(camera)s, %(rule)s, %(occurred_at)s, %(plate)s, %(vehicle)s, %(document)s, %(recorded_at)s)
ON CONFLICT DO NOTHING
RETURNING id::text AS id

-- similar_violation --
-- Another violation of the same plate and rule at the same camera, at about the same time.
SELECT EXISTS (
    SELECT FROM violations
    WHERE plate = %(plate)s AND site = %(site)s AND camera = %(camera)s AND rule = %(rule)s AND id <> %(id)s
      AND occurred_at BETWEEN %(since)s AND %(until)s
) AS stored

-- insert_evidence_file --
INSERT INTO evidence_files (violation, digest, suffix, bytes) VALUES (%(violation)s, %(digest)s, %(suffix)s, %(bytes)s)

-- enqueue --
-- Add an open case to the queue of the reviewers.
INSERT INTO queue (violation, occurred_at) VALUES (%(violation)s, %(occurred_at)s)

-- select_cases --
SELECT v.id::text AS id, v.document::text AS document, v.recorded_at, q.reviewer, coalesce(q.ahead, false) AS reserved,
    q.violation IS NOT NULL AS queued
FROM violations v
LEFT JOIN queue q ON q.violation = v.id
WHERE v.id = ANY(%(violations)s::uuid[])

-- sort_key_of_case --
-- {key} is a column of `case_states` to sort by.
SELECT {key} AS sort_key FROM case_states WHERE violation = %(violation)s AND {key} IS NOT NULL

-- case_columns --
-- A case without its decisions.
v.id::text AS id, v.document::text AS document, v.recorded_at, q.reviewer, coalesce(q.ahead, false) AS reserved,
    q.violation IS NOT NULL AS queued

-- summary_columns --
-- What a list shows of a case. The document is read once: it is stored compressed.
v.id::text AS id, page.occurred_at, page.plate, page.state, page.decided_plate, page.reviewer AS decided_by, q.reviewer AS assigned_to,
    (SELECT jsonb_build_object(
        'camera_name', body -> 'camera_name', 'article', body -> 'article', 'timezone', body -> 'timezone', 'polda', body -> 'polda',
        'vehicle', body -> 'vehicle', 'marks', coalesce(body -> 'marks', '[]'), 'pictures', body -> 'pictures')
     FROM (SELECT v.document -> 'body' AS body OFFSET 0) stored)::text AS shown

-- search_cases --
-- A page in the order of {key} ({direction}), after the case with the key `beyond_key` and the id `beyond` ({beyond} compares). A parameter
-- that is NULL does not filter; PostgreSQL removes such a condition when it plans the statement. `plate_parts` are the parts of `plate`
-- that the index knows; NULL if it is too short. {columns}: `case_columns` or `summary_columns`.
SELECT {columns}
FROM (
    SELECT violation, {key} AS sort_key, occurred_at, plate, state, decided_plate, reviewer
    FROM case_states
    WHERE {filters}
      AND {key} IS NOT NULL
      AND (%(beyond)s::uuid IS NULL OR ({key}, violation) {beyond} (%(beyond_key)s::timestamptz, %(beyond)s::uuid))
    ORDER BY {key} {direction}, violation {direction}
    LIMIT %(limit)s
) page
JOIN violations v ON v.id = page.violation
LEFT JOIN queue q ON q.violation = v.id
ORDER BY page.sort_key {direction}, page.violation {direction}

-- urgent_cases --
-- A page of open cases in the order in which their letters are due: the moment and the days of the period that covers the case. Each period
-- reads a page's worth in the order of time, by the index of open cases. {columns}: as in `search_cases`.
SELECT {columns}
FROM (
    SELECT violation, due_at, occurred_at, plate, state, decided_plate, reviewer
    FROM jsonb_to_recordset(%(letters)s)
        AS period (polda text, except_poldas text[], since timestamptz, until timestamptz, days int)
    CROSS JOIN LATERAL (
        SELECT violation, occurred_at + days * interval '1 day' AS due_at, occurred_at, plate, state, decided_plate, reviewer
        FROM case_states
        WHERE {filters}
          AND state = 'open'
          AND CASE WHEN period.polda IS NULL THEN polda IS NULL OR polda <> ALL (except_poldas) ELSE polda = period.polda END
          AND occurred_at >= period.since
          AND (period.until IS NULL OR occurred_at < period.until)
          AND (%(beyond)s::uuid IS NULL
               OR (occurred_at, violation) {beyond} (%(beyond_key)s::timestamptz - days * interval '1 day', %(beyond)s::uuid))
        ORDER BY occurred_at {direction}, violation {direction}
        LIMIT %(limit)s
    ) of_period
    ORDER BY due_at {direction}, violation {direction}
    LIMIT %(limit)s
) page
JOIN violations v ON v.id = page.violation
LEFT JOIN queue q ON q.violation = v.id
ORDER BY page.due_at {direction}, page.violation {direction}

-- place_of_case --
SELECT occurred_at, polda FROM case_states WHERE violation = %(violation)s AND state = 'open'

-- case_filters --
-- The condition of `search_cases` and `count_found`. `plate` is a part of the text as read or as last decided.
(%(state)s::text IS NULL OR state = %(state)s)
      AND (%(rule)s::text IS NULL OR rule = %(rule)s)
      AND (%(camera)s::text IS NULL OR camera = %(camera)s)
      AND (%(reviewer)s::text IS NULL OR reviewer = %(reviewer)s)
      AND (%(plate_parts)s::text[] IS NULL OR plate_parts(plate, decided_plate) @> %(plate_parts)s::text[])
      AND (%(plate)s::text IS NULL OR strpos(plate, %(plate)s) > 0 OR strpos(decided_plate, %(plate)s) > 0)
      AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)

-- count_found --
-- At most `limit`.
SELECT count(*) AS cases FROM (SELECT FROM case_states WHERE {filters} LIMIT %(limit)s) found

-- select_cameras --
SELECT DISTINCT ON (camera) camera, name FROM cameras ORDER BY camera, site

-- cases_decided_by --
-- Cases on which the reviewer decided since then, the last decided first.
SELECT v.id::text AS id, v.document::text AS document, v.recorded_at, q.reviewer, coalesce(q.ahead, false) AS reserved,
    q.violation IS NOT NULL AS queued
FROM violations v
LEFT JOIN queue q ON q.violation = v.id
JOIN (
    SELECT violation, max(id) AS last_decision
    FROM decisions
    WHERE reviewer = %(reviewer)s AND decided_at >= %(since)s
    GROUP BY violation
    ORDER BY max(id) DESC
    LIMIT %(limit)s
) own ON own.violation = v.id
ORDER BY own.last_decision DESC

-- count_cases --
-- By state and rule; see the migration that creates `case_counts`. `in_review`: how many open cases a reviewer has on the screen, in each
-- row; it reads the cases with a lease only, by the index `queue_reviewer`.
SELECT state, rule, sum(cases)::bigint AS cases,
    (SELECT count(*) FROM queue WHERE reviewer IS NOT NULL AND NOT ahead AND expires_at > %(now)s) AS in_review
FROM case_counts
GROUP BY state, rule
HAVING sum(cases) > 0
ORDER BY state, rule

-- count_verdicts_of_reviewer --
-- Cases that the reviewer decided since then, by the reviewer's last verdict on each.
SELECT verdict, count(*) AS cases
FROM (
    SELECT DISTINCT ON (violation) verdict
    FROM decisions
    WHERE reviewer = %(reviewer)s AND decided_at >= %(since)s
    ORDER BY violation, id DESC
) own
GROUP BY verdict

-- median_seconds_of_reviewer --
-- NULL if none of the decisions since then was timed.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds_taken) AS median_s
FROM decisions
WHERE reviewer = %(reviewer)s AND decided_at >= %(since)s

-- violations_with_files --
-- A page in the order of ids, for `etle evidence verify`: documents, the columns beside them, and the files.
SELECT
    v.id::text AS id,
    v.document::text AS document,
    v.site, v.camera, v.rule, v.occurred_at, v.plate, v.vehicle, v.recorded_at,
    coalesce(jsonb_agg(jsonb_build_array(f.digest, f.suffix, f.bytes)) FILTER (WHERE f.digest IS NOT NULL), '[]')::text AS files
FROM violations v
LEFT JOIN evidence_files f ON f.violation = v.id
WHERE %(after)s::uuid IS NULL OR v.id > %(after)s::uuid
GROUP BY v.id
ORDER BY v.id
LIMIT %(limit)s

-- any_violation --
SELECT EXISTS (SELECT FROM violations) AS stored

-- referenced_digests --
-- Those of the digests that belong to a violation.
SELECT DISTINCT digest FROM evidence_files WHERE digest = ANY(%(digests)s)


-- ===== The queue of open cases and its leases: `etle.storage.cases`

-- lock --
-- An advisory lock until the end of the transaction; `key` is any text.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))

-- set_lock_timeout --
SELECT set_config('lock_timeout', %(wait_ms)s, false)

-- lock_session --
-- An advisory lock until the connection is closed; `key` is any text.
SELECT pg_advisory_lock(hashtextextended(%(key)s, 0))

-- leased_case --
-- The case that the reviewer has on the screen, else the one that is reserved to come next; the oldest one, should there be two.
SELECT violation::text AS violation
FROM queue
WHERE reviewer = %(reviewer)s
ORDER BY ahead, occurred_at, violation
LIMIT 1
FOR UPDATE

-- reserved_case --
SELECT violation::text AS violation FROM queue WHERE reviewer = %(reviewer)s AND ahead ORDER BY occurred_at, violation LIMIT 1 FOR UPDATE

-- take_case --
-- NULL if the queue has none for the reviewer.
SELECT take_case(%(reviewer)s, %(now)s, %(expires_at)s)::text AS violation

-- select_taken_case --
-- What `take_case` leased, right after it: the same order, in a snapshot of its own.
SELECT v.id::text AS id, v.document::text AS document, v.recorded_at, q.reviewer, q.ahead AS reserved, true AS queued
FROM queue q
JOIN violations v ON v.id = q.violation
WHERE q.reviewer = %(reviewer)s
ORDER BY q.ahead, q.occurred_at, q.violation
LIMIT 1

-- case_on_screen --
SELECT violation::text AS violation FROM queue WHERE reviewer = %(reviewer)s AND NOT ahead ORDER BY occurred_at, violation LIMIT 1

-- next_free_case --
-- The oldest open case without a valid lease; rows that another transaction is taking are skipped.
SELECT violation::text AS violation
FROM queue
WHERE reviewer IS NULL OR expires_at <= %(now)s
ORDER BY occurred_at, violation
LIMIT 1
FOR UPDATE SKIP LOCKED

-- lease_case --
UPDATE queue SET reviewer = %(reviewer)s, expires_at = %(expires_at)s, ahead = %(ahead)s WHERE violation = %(violation)s

-- renew_lease --
-- Of the case on the screen, and of the one reserved after it. One row for each that the reviewer still has.
UPDATE queue SET expires_at = greatest(expires_at, %(expires_at)s)
WHERE reviewer = %(reviewer)s AND (violation = %(violation)s OR ahead)
RETURNING violation::text AS violation

-- release_leases --
UPDATE queue SET reviewer = NULL, expires_at = NULL, ahead = false WHERE reviewer = %(reviewer)s

-- ===== Decisions: `etle.storage.cases`

-- violation_exists --
SELECT EXISTS (SELECT FROM violations WHERE id = %(violation)s) AS stored

-- decide_case --
-- `session` is the digest of the reviewer's session token; NULL for the owner.
SELECT earlier, taken_by, taken_until, added
FROM decide_case(
    %(session)s, %(violation)s::uuid, %(verdict)s, %(reason)s, %(plate_text)s, %(note)s, %(reviewer)s, %(decided_at)s, %(seconds_taken)s,
    %(nonce)s::uuid, %(signature)s, %(known)s, %(any_lease)s
)

-- select_decisions --
-- Decisions on these violations, oldest first.
SELECT violation::text AS violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken
FROM decisions
WHERE violation = ANY(%(violations)s::uuid[])
ORDER BY id


-- ===== Campaigns: `etle.storage.campaigns`

-- insert_campaign --
INSERT INTO campaigns (campaign, document, added_by, added_at) VALUES (%(campaign)s, %(document)s, %(added_by)s, %(added_at)s)

-- select_campaigns --
-- The last row of each, without those that were withdrawn.
SELECT campaign, document::text AS document, added_by, added_at
FROM (SELECT DISTINCT ON (campaign) * FROM campaigns ORDER BY campaign, id DESC) last_of_each
WHERE document IS NOT NULL

-- count_campaign_cases --
-- By rule, camera, local day and state. `since` and `until` enclose the days in every time zone, for the index.
SELECT rule, site, camera, day, state, count(*) AS cases
FROM (SELECT *, (occurred_at AT TIME ZONE timezone)::date AS day FROM case_states) of_day
WHERE rule = ANY(%(rules)s)
  AND occurred_at >= %(since)s AND occurred_at < %(until)s
  AND day BETWEEN %(first_day)s AND %(last_day)s
  AND (%(areas)s::jsonb IS NULL OR EXISTS (
      SELECT FROM jsonb_to_recordset(%(areas)s::jsonb) AS area (site text, cameras text[])
      WHERE area.site = of_day.site AND (cardinality(cameras) = 0 OR of_day.camera = ANY(cameras))
  ))
GROUP BY rule, site, camera, day, state
ORDER BY day, rule, site, camera, state


-- ===== Checkpoints and lost frames: `etle.storage.checkpoints`

-- save_checkpoint --
INSERT INTO checkpoints (stream, position, state)
VALUES (%(stream)s, %(position)s, %(state)s)
ON CONFLICT (stream) DO UPDATE SET position = excluded.position, state = excluded.state, saved_at = now()

-- load_checkpoint --
SELECT position, state FROM checkpoints WHERE stream = %(stream)s

-- add_losses --
INSERT INTO losses (camera, reason, times, counted_at) VALUES (%(camera)s, %(reason)s, %(times)s, %(counted_at)s)

-- count_losses --
SELECT camera, reason, sum(times) AS frames
FROM losses
WHERE counted_at >= %(since)s
GROUP BY camera, reason
ORDER BY camera, reason


-- ===== Runs: `etle.storage.runs`

-- insert_run --
-- Returns no row if the name is taken.
INSERT INTO runs (name, site, plan, started_by, started_at)
VALUES (%(name)s, %(site)s, %(plan)s, %(started_by)s, %(started_at)s)
ON CONFLICT (name) DO NOTHING
RETURNING name

-- finish_run --
UPDATE runs SET finished_at = coalesce(finished_at, %(finished_at)s) WHERE name = %(name)s

-- select_runs --
-- One or, if `name` is NULL, all; the latest first.
SELECT name, site, plan, started_by, started_at, finished_at,
    (SELECT count(*) FROM run_violations WHERE run = name) AS violations
FROM runs
WHERE %(name)s::text IS NULL OR name = %(name)s
ORDER BY started_at DESC, name

-- select_run_cameras --
SELECT run, camera, frames, rejected, busy_s, finished_at
FROM run_cameras
WHERE %(name)s::text IS NULL OR run = %(name)s
ORDER BY run, camera

-- save_run_camera --
INSERT INTO run_cameras (run, camera, frames, rejected, busy_s, finished_at)
VALUES (%(run)s, %(camera)s, %(frames)s, %(rejected)s, %(busy_s)s, %(finished_at)s)
ON CONFLICT (run, camera) DO UPDATE
SET frames = excluded.frames, rejected = excluded.rejected, busy_s = excluded.busy_s, finished_at = excluded.finished_at

-- insert_run_violation --
-- Returns no row if the run has the violation already.
INSERT INTO run_violations (run, violation, camera, rule, occurred_at, plate, document, recorded_at)
VALUES (%(run)s, %(violation)s, %(camera)s, %(rule)s, %(occurred_at)s, %(plate)s, %(document)s, %(recorded_at)s)
ON CONFLICT DO NOTHING
RETURNING violation::text AS violation

-- run_violation_exists --
SELECT EXISTS (SELECT FROM run_violations WHERE run = %(run)s AND violation = %(violation)s) AS stored

-- select_run_violations --
-- A page in the order of time, after the violation with the time `after_at` and the id `after`.
SELECT document::text AS document
FROM run_violations
WHERE run = %(run)s
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
  AND (%(after)s::uuid IS NULL OR (occurred_at, violation) > (%(after_at)s::timestamptz, %(after)s::uuid))
ORDER BY occurred_at, violation
LIMIT %(limit)s

-- select_run_violation --
SELECT document::text AS document FROM run_violations WHERE run = %(run)s AND violation = %(violation)s

-- count_run_violations --
SELECT count(*) AS found FROM (
    SELECT FROM run_violations
    WHERE run = %(run)s
      AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
    LIMIT %(limit)s
) AS counted

-- insert_approval --
-- Returns no row if this person approved these results before.
INSERT INTO run_approvals (run, approved_by, results, nonce, signature)
VALUES (%(run)s, %(approved_by)s, %(results)s, %(nonce)s, %(signature)s)
ON CONFLICT DO NOTHING
RETURNING id

-- select_approvals --
SELECT approved_by FROM run_approvals WHERE run = %(run)s AND results = %(results)s ORDER BY id

-- insert_promotion --
INSERT INTO promotions (run, requested_by, approved_by, results, cases_added, proposed, nonce, signature)
VALUES (%(run)s, %(requested_by)s, %(approved_by)s, %(results)s, %(cases_added)s, %(proposed)s, %(nonce)s, %(signature)s)
ON CONFLICT (run) DO NOTHING

-- select_promotion --
SELECT requested_by, approved_by, cases_added, proposed, promoted_at FROM promotions WHERE run = %(run)s

-- select_promoted_runs --
SELECT run FROM promotions

-- insert_proposal --
-- Returns no row if the run proposed something for this case before.
INSERT INTO proposals (violation, run, changed, document, nonce, signature)
VALUES (%(violation)s, %(run)s, %(changed)s, %(document)s, %(nonce)s, %(signature)s)
ON CONFLICT DO NOTHING
RETURNING id

-- select_proposals --
-- For one case, oldest first.
SELECT violation::text AS violation, run, changed, document::text AS document, proposed_at
FROM proposals
WHERE violation = %(violation)s
ORDER BY id

-- select_open_proposals --
-- For cases that were decided before and not since, oldest first.
SELECT p.violation::text AS violation, p.run, p.changed, p.document::text AS document, p.proposed_at
FROM proposals p
JOIN case_states s ON s.violation = p.violation
WHERE s.decided_at < p.proposed_at
ORDER BY p.id
LIMIT %(limit)s


-- ===== Users, sessions and the access log: `etle.storage.users`

-- insert_user --
-- Returns no row if the name is taken.
INSERT INTO users (name, role, password_hash, created_at, nonce, signature)
VALUES (%(name)s, %(role)s, %(password_hash)s, %(created_at)s, %(nonce)s, %(signature)s)
ON CONFLICT (name) DO NOTHING
RETURNING name

-- lock_user --
-- The row as it is, until the end of the transaction.
SELECT name, role, password_digest, disabled_at, nonce::text AS nonce FROM users WHERE name = %(name)s FOR UPDATE

-- set_password --
UPDATE users SET password_hash = %(password_hash)s, nonce = %(nonce)s, signature = %(signature)s WHERE name = %(name)s

-- set_role --
UPDATE users SET role = %(role)s, nonce = %(nonce)s, signature = %(signature)s WHERE name = %(name)s

-- disable_user --
UPDATE users SET disabled_at = coalesce(disabled_at, %(disabled_at)s), nonce = %(nonce)s, signature = %(signature)s WHERE name = %(name)s

-- select_users --
SELECT name, role, created_at, disabled_at, (SELECT max(last_seen_at) FROM sessions WHERE user_name = name) AS last_seen_at
FROM users
ORDER BY name

-- select_reviewers --
-- Users who decide cases, or did before they were disabled.
SELECT name FROM users WHERE role IN ('reviewer', 'supervisor') ORDER BY name

-- password_hash --
-- No row for a user who is disabled.
SELECT password_hash FROM users WHERE name = %(name)s AND disabled_at IS NULL

-- password_parameters --
-- Algorithm, costs and salt of the password's hash, in its form; NULL for a user who does not exist or is disabled.
SELECT password_parameters(%(name)s) AS parameters

-- password_matches --
SELECT password_matches(%(name)s, %(hash)s) AS matches

-- open_session --
SELECT open_session(
    %(token_hash)s, %(user_name)s, %(hash)s, %(address)s, %(created_at)s, %(expires_at)s, %(nonce)s::uuid, %(signature)s
) AS opened

-- continue_session --
-- No row if the session ended, expired or was idle for longer than `idle`, or if the user is disabled.
SELECT name, role, created_at, disabled_at, last_seen_at
FROM continue_session(%(token_hash)s, %(now)s, %(idle)s, %(resolution)s)

-- select_open_session --
-- The session of the token, if it has not ended.
SELECT token_digest, user_name, address, nonce::text AS nonce FROM sessions WHERE token_digest = %(token_digest)s AND ended_at IS NULL

-- select_open_sessions_of_user --
SELECT token_digest, user_name, address, nonce::text AS nonce FROM sessions WHERE user_name = %(user_name)s AND ended_at IS NULL FOR UPDATE

-- end_session --
SELECT end_session(%(token_hash)s, %(ended_at)s, %(nonce)s::uuid, %(signature)s)

-- revoke_session --
-- By the owner, who knows no token.
UPDATE sessions SET ended_at = %(ended_at)s, nonce = %(nonce)s, signature = %(signature)s WHERE token_digest = %(token_digest)s

-- add_access --
-- `session` is the digest of the token of whoever acts; NULL before signing in, and for the owner.
SELECT add_access(
    %(session)s, %(at)s, %(who)s, %(address)s, %(action)s, %(violation)s::uuid, %(detail)s, %(nonce)s::uuid, %(signature)s
)

-- sign_in_failures --
SELECT
    count(*) FILTER (WHERE who = %(who)s AND address = %(address)s) AS of_both,
    count(*) FILTER (WHERE who = %(who)s) AS of_account,
    count(*) FILTER (WHERE address = %(address)s) AS of_address,
    max(at) FILTER (WHERE who = %(who)s AND address = %(address)s) AS last_at,
    EXISTS (
        SELECT FROM sessions WHERE user_name = %(who)s AND sessions.address = %(address)s AND created_at >= %(known_since)s
    ) AS known_address
FROM access_log
WHERE action = 'sign_in_failed' AND at > %(since)s AND (who = %(who)s OR address = %(address)s)

-- form_secret --
SELECT value FROM secrets WHERE name = 'sign-in form'

-- select_access_log --
-- Newest first; `before` is the id of the last entry of the page before.
SELECT at, who, address, action, violation::text AS violation, detail, id
FROM access_log
WHERE (%(violation)s::uuid IS NULL OR violation = %(violation)s::uuid)
  AND (%(who)s::text IS NULL OR who = %(who)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(limit)s


-- ===== The audit log: `etle.storage.audit`

-- seal_audit_log --
SELECT head_position, head_digest FROM seal_audit_log()

-- select_audit_log --
-- A page in the order of the chain.
SELECT position, kind, key, entry, digest FROM audit_log WHERE position > %(after)s ORDER BY position LIMIT %(limit)s

-- select_audit_inbox --
-- Entries that are not sealed yet.
SELECT kind, key, entry FROM audit_inbox ORDER BY id

-- audit_entries_of_case --
-- In the order of the chain, unsealed ones last.
SELECT position, entry
FROM (
    SELECT position, position AS place, kind, key, entry FROM audit_log
    UNION ALL
    SELECT NULL, 9223372036854775807, kind, key, entry FROM audit_inbox
) logged
WHERE (kind IN ('violation', 'manifest') AND key = %(violation)s)
   OR (kind = 'decision' AND key IN (SELECT id::text FROM decisions WHERE violation = %(violation)s::uuid))
   OR (kind = 'access' AND key IN (SELECT id::text FROM access_log WHERE violation = %(violation)s::uuid))
ORDER BY place

-- audit_entries_between --
SELECT position, entry, digest FROM audit_log WHERE position BETWEEN %(first)s AND %(last)s ORDER BY position

-- files_of_violation --
SELECT digest, suffix FROM evidence_files WHERE violation = %(violation)s ORDER BY digest

-- stored_rows --
-- The present rows of these keys, with the columns that are logged. Built here and not by a function of the database, which its owner
-- could replace.
SELECT 'violation' AS kind, id::text AS key, jsonb_build_object('id', id, 'site', site, 'camera', camera, 'rule', rule,
    'occurred_at', occurred_at, 'plate', plate, 'vehicle', vehicle, 'recorded_at', recorded_at)::text AS content
FROM violations WHERE id = ANY(%(violation)s::uuid[])
UNION ALL
SELECT 'manifest', violation::text, to_jsonb(f)::text FROM evidence_files f
WHERE violation = ANY(%(manifest)s::uuid[]) AND suffix = '.manifest'
UNION ALL
SELECT 'decision', id::text, to_jsonb(d)::text FROM decisions d WHERE id = ANY(%(decision)s::bigint[])
UNION ALL
SELECT 'access', id::text, to_jsonb(a)::text FROM access_log a WHERE id = ANY(%(access)s::bigint[])
UNION ALL
SELECT 'loss', id::text, to_jsonb(l)::text FROM losses l WHERE id = ANY(%(loss)s::bigint[])
UNION ALL
SELECT 'user', name, jsonb_build_object('name', name, 'role', role, 'password_digest', password_digest, 'created_at', created_at,
    'disabled_at', disabled_at, 'nonce', nonce, 'signature', signature)::text
FROM users WHERE name = ANY(%(user)s::text[])
UNION ALL
SELECT 'session', token_digest, jsonb_build_object('token_digest', token_digest, 'user_name', user_name, 'address', address,
    'created_at', created_at, 'expires_at', expires_at, 'ended_at', ended_at, 'nonce', nonce, 'signature', signature)::text
FROM sessions WHERE token_digest = ANY(%(session)s::text[])
UNION ALL
SELECT 'approval', id::text, to_jsonb(a)::text FROM run_approvals a WHERE id = ANY(%(approval)s::bigint[])
UNION ALL
SELECT 'promotion', run, to_jsonb(p)::text FROM promotions p WHERE run = ANY(%(promotion)s::text[])
UNION ALL
SELECT 'proposal', id::text, to_jsonb(p)::text FROM proposals p WHERE id = ANY(%(proposal)s::bigint[])
UNION ALL
SELECT 'watch', id::text, to_jsonb(w)::text FROM watch_changes w WHERE id = ANY(%(watch)s::bigint[])

-- unlogged_rows --
-- Rows without an entry: inserted with the triggers disabled.
SELECT kind, key
FROM (
    SELECT 'violation' AS kind, id::text AS key FROM violations
    UNION ALL SELECT 'manifest', violation::text FROM evidence_files WHERE suffix = '.manifest'
    UNION ALL SELECT 'decision', id::text FROM decisions
    UNION ALL SELECT 'access', id::text FROM access_log
    UNION ALL SELECT 'loss', id::text FROM losses
    UNION ALL SELECT 'user', name FROM users
    UNION ALL SELECT 'session', token_digest FROM sessions
    UNION ALL SELECT 'approval', id::text FROM run_approvals
    UNION ALL SELECT 'promotion', run FROM promotions
    UNION ALL SELECT 'proposal', id::text FROM proposals
    UNION ALL SELECT 'watch', id::text FROM watch_changes
) stored
WHERE NOT EXISTS (SELECT FROM audit_log l WHERE l.kind = stored.kind AND l.key = stored.key)
  AND NOT EXISTS (SELECT FROM audit_inbox i WHERE i.kind = stored.kind AND i.key = stored.key)
ORDER BY kind, key

-- copied_signatures --
-- A nonce is signed once; a second row with it is a copy.
SELECT kind, min(key) AS first, max(key) AS last
FROM (
    SELECT 'decision' AS kind, id::text AS key, nonce FROM decisions
    UNION ALL SELECT 'access', id::text, nonce FROM access_log
    UNION ALL SELECT 'approval', id::text, nonce FROM run_approvals
    UNION ALL SELECT 'promotion', run, nonce FROM promotions
    UNION ALL SELECT 'proposal', id::text, nonce FROM proposals
) signed
WHERE nonce IS NOT NULL
GROUP BY kind, nonce
HAVING count(*) > 1

-- queue_problems --
-- The queue holds exactly the cases without a decision, and leases them to reviewers for less than a day.
SELECT coalesce(q.violation, v.id)::text AS violation, CASE
    WHEN q.violation IS NULL THEN 'the open case is not in the queue'
    WHEN v.decided THEN 'the case is decided and still in the queue'
    WHEN q.occurred_at <> v.occurred_at THEN 'the queue has another time for the case'
    ELSE 'the queue leases the case to somebody who is no user, or for longer than a day'
END AS problem
FROM (SELECT id, occurred_at, EXISTS (SELECT FROM decisions WHERE violation = c.id) AS decided FROM violations c) v
FULL JOIN queue q ON q.violation = v.id
WHERE (q.violation IS NULL AND NOT v.decided)
   OR (q.violation IS NOT NULL AND (v.id IS NULL OR v.decided OR q.occurred_at <> v.occurred_at))
   OR (q.reviewer IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE name = q.reviewer))
   OR q.expires_at > now() + interval '1 day'
ORDER BY 1

-- case_state_problems --
-- What lists and searches read is what violations and decisions say.
SELECT coalesce(v.id, s.violation)::text AS violation
FROM violations v
LEFT JOIN (SELECT DISTINCT ON (violation) * FROM decisions ORDER BY violation, id DESC) d ON d.violation = v.id
FULL JOIN case_states s ON s.violation = v.id
WHERE v.id IS NULL OR s.violation IS NULL
   OR (s.occurred_at, s.rule, s.camera, s.plate, s.state, s.decided_plate, s.reviewer, s.decided_at)
       IS DISTINCT FROM
       (v.occurred_at, v.rule, v.camera, v.plate, coalesce(d.verdict, 'open'), d.plate_text, d.reviewer, d.decided_at)
ORDER BY 1

-- case_count_problems --
SELECT state, rule, coalesce(counted.cases, 0)::bigint AS counted, coalesce(actual.cases, 0) AS actual
FROM (SELECT state, rule, sum(cases) AS cases FROM case_counts GROUP BY state, rule) counted
FULL JOIN (
    SELECT coalesce(d.verdict, 'open') AS state, v.rule, count(*) AS cases
    FROM violations v
    LEFT JOIN (SELECT DISTINCT ON (violation) violation, verdict FROM decisions ORDER BY violation, id DESC) d ON d.violation = v.id
    GROUP BY 1, 2
) actual USING (state, rule)
WHERE coalesce(counted.cases, 0) <> coalesce(actual.cases, 0)
ORDER BY state, rule

-- camera_problems --
-- A name that no violation of the camera has.
SELECT site, camera, name
FROM cameras c
WHERE NOT EXISTS (
    SELECT FROM violations v
    WHERE v.camera = c.camera AND v.site = c.site AND coalesce(v.document -> 'body' ->> 'camera_name', v.camera) = c.name
)
ORDER BY site, camera

-- session_problems --
SELECT token_digest, user_name FROM sessions WHERE last_seen_at < created_at OR last_seen_at > expires_at ORDER BY created_at

-- select_triggers --
SELECT c.relname AS "table", t.tgname AS name, t.tgenabled::text AS enabled
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'etle'::regnamespace AND NOT t.tgisinternal

-- select_functions --
SELECT proname AS name, prosrc AS body FROM pg_proc WHERE pronamespace = 'etle'::regnamespace


-- ===== Migrations: `etle.storage.migrate`

-- lock_migrations --
-- Two processes that start at the same time migrate one after the other.
SELECT pg_advisory_xact_lock(%(key)s)

-- create_migrations --
CREATE SCHEMA IF NOT EXISTS etle;
CREATE TABLE IF NOT EXISTS migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    digest     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- migrations_exist --
SELECT to_regclass('etle.migrations') IS NOT NULL AS exist

-- select_migrations --
SELECT number, name, digest FROM migrations ORDER BY number

-- insert_migration --
INSERT INTO migrations (number, name, digest) VALUES (%(number)s, %(name)s, %(digest)s)

-- ===== The watch list: `etle.storage.watch_list`

-- lock_watch_list --
-- One import or removal at a time: each compares with what is listed.
SELECT pg_advisory_xact_lock(hashtextextended('etle.watch_list', 0))

-- select_watch_list --
-- The last change of each plate, if it is not a removal.
SELECT * FROM (
    SELECT DISTINCT ON (plate) id, plate, change, reason, vehicle, source, valid_until, changed_by, changed_at
    FROM watch_changes ORDER BY plate, id DESC
) latest
WHERE change = 'listed'
ORDER BY plate

-- select_watch_history --
SELECT id, plate, change, reason, vehicle, source, valid_until, changed_by, changed_at
FROM watch_changes WHERE plate = %(plate)s ORDER BY id

-- insert_watch_change --
INSERT INTO watch_changes (plate, change, reason, vehicle, source, valid_until, changed_by, nonce, signature)
VALUES (%(plate)s, %(change)s, %(reason)s, %(vehicle)s, %(source)s, %(valid_until)s, %(changed_by)s, %(nonce)s::uuid, %(signature)s)
