"""The kinds of changes: each function changes one random thing, as the owner of the database and of the evidence folder may.

Rows are changed with all triggers disabled for the transaction, as a forger would; what is named `openly` leaves them enabled.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from benchmark.tamper.attempt import NothingToChange, TamperContext
from etle.signing import PublicKeys
from etle.storage.audit.chain import NO_ENTRY, LogHead, chained, entry_digest
from etle.storage.audit.heads import sign_head
from etle.storage.audit.row_signature import sign_row
from etle.storage.evidence.manifest import make_manifest
from etle.types import Digest, EvidenceFile, digest_of
from etle.wire import violation_from_json

Change = Callable[[TamperContext], PublicKeys | None]
"""Returns the keys that the verifier trusts then, if it changed those."""


def _column(table: str, column: str, value: str, where: str = "true") -> Change:
    """Give one random row another value of the column; `value` is an SQL expression that may name the present one."""

    def change(attempt: TamperContext) -> None:
        attempt.cursor.execute("SET LOCAL session_replication_role = replica")
        row = attempt.some(f"SELECT ctid::text AS row FROM {table} WHERE ({value}) IS DISTINCT FROM {column} AND {where}")
        attempt.execute(f"UPDATE {table} SET {column} = {value} WHERE ctid = %(row)s::tid", row=row.row)

    return change


def _openly(table: str, column: str, value: str, where: str = "true") -> Change:
    """The same with the triggers enabled: only for what they do not refuse."""

    def change(attempt: TamperContext) -> None:
        row = attempt.some(f"SELECT ctid::text AS row FROM {table} WHERE ({value}) IS DISTINCT FROM {column} AND {where}")
        attempt.execute(f"UPDATE {table} SET {column} = {value} WHERE ctid = %(row)s::tid", row=row.row)

    return change


def _deleted(table: str, where: str = "true") -> Change:
    def change(attempt: TamperContext) -> None:
        attempt.cursor.execute("SET LOCAL session_replication_role = replica")
        row = attempt.some(f"SELECT ctid::text AS row FROM {table} WHERE {where}")
        attempt.execute(f"DELETE FROM {table} WHERE ctid = %(row)s::tid", row=row.row)

    return change


def _sql(*statements: str, triggers: bool = False) -> Change:
    def change(attempt: TamperContext) -> None:
        if not triggers:
            attempt.cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            attempt.execute(statement)

    return change


def _schema(statement: str) -> Change:
    def change(attempt: TamperContext) -> None:
        attempt.cursor.execute(statement)

    return change


def _swapped_ids(table: str) -> Change:
    """Two rows change their places in the order."""

    def change(attempt: TamperContext) -> None:
        attempt.cursor.execute("SET LOCAL session_replication_role = replica")
        one, two = attempt.rng.sample([row.id for row in attempt.rows(f"SELECT id FROM {table}")], 2)
        for source, target in ((one, -1), (two, one), (-1, two)):
            attempt.execute(_move(table), source=source, target=target)

    return change


def _move(table: str) -> str:
    """An identity column takes no value in an UPDATE: the row is inserted anew."""
    columns = {"decisions": "violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken, nonce, signature"}
    columns["access_log"] = "at, who, address, action, violation, detail, nonce, signature"
    names = columns[table]
    return (
        f"WITH moved AS (DELETE FROM {table} WHERE id = %(source)s RETURNING *) "
        f"INSERT INTO {table} (id, {names}) OVERRIDING SYSTEM VALUE SELECT %(target)s, {names} FROM moved"
    )


def _changed_file(attempt: TamperContext) -> None:
    path = attempt.file("*")
    data = bytearray(path.read_bytes())
    data[attempt.rng.randrange(len(data))] ^= 1 << attempt.rng.randrange(8)
    attempt.files.write(path, bytes(data))


def _cut_file(attempt: TamperContext) -> None:
    path = attempt.file("*")
    attempt.files.write(path, path.read_bytes()[: attempt.rng.randrange(path.stat().st_size)])


def _removed_file(attempt: TamperContext) -> None:
    attempt.files.remove(attempt.file("*"))


def _swapped_files(attempt: TamperContext) -> None:
    one, two = attempt.file("*.jpg"), attempt.file("*.jpg")
    if one == two:
        raise NothingToChange
    first, second = one.read_bytes(), two.read_bytes()
    attempt.files.write(one, second)
    attempt.files.write(two, first)


def _added_file(attempt: TamperContext) -> None:
    data = attempt.rng.randbytes(20)
    digest = digest_of(data)
    attempt.files.write(attempt.office.folder / "evidence" / digest[:2] / digest[2:4] / f"{digest}.jpg", data)


def _signed_again(attempt: TamperContext) -> None:
    """A violation with another plate, its manifest made anew with a key of the forger's, and rows that fit."""
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    row = attempt.some("SELECT v.id::text AS id, document::text AS document FROM violations v")
    forged = violation_from_json(row.document.replace('"B', '"D'))
    recorded = attempt.rows("SELECT digest, suffix FROM evidence_files WHERE violation = %(id)s", id=row.id)
    files = [
        EvidenceFile(sha256=each.digest, suffix=each.suffix, data=attempt.office.evidence.get(each.digest))
        for each in recorded
        if each.suffix != ".manifest"
    ]
    manifest = make_manifest(forged, files, attempt.office.rogue)
    digest = manifest.sha256
    attempt.files.write(attempt.office.folder / "evidence" / digest[:2] / digest[2:4] / f"{digest}.manifest", manifest.data)
    old = next(each.digest for each in recorded if each.suffix == ".manifest")
    attempt.files.remove(next(attempt.office.folder.glob(f"evidence/*/*/{old}.manifest")))
    attempt.execute(
        "UPDATE evidence_files SET digest = %(new)s, bytes = %(size)s WHERE digest = %(old)s", new=digest, old=old, size=len(manifest.data)
    )
    attempt.execute(
        "UPDATE violations SET document = replace(document::text, '\"B', '\"D')::jsonb, plate = %(plate)s WHERE id = %(id)s",
        id=row.id,
        plate=forged.plate.text,
    )


def _manifest_of_another_case(attempt: TamperContext) -> None:
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    one, two = attempt.rng.sample(attempt.rows("SELECT violation, digest, bytes FROM evidence_files WHERE suffix = '.manifest'"), 2)
    attempt.execute(
        "UPDATE evidence_files SET digest = %(digest)s, bytes = %(size)s WHERE violation = %(violation)s AND suffix = '.manifest'",
        digest=two.digest, size=two.bytes, violation=one.violation,
    )  # fmt: skip


def _removed_case(attempt: TamperContext, *, files: bool, entries: bool) -> None:
    """A case with everything that belongs to it; with its entries in the log, the chain is computed anew."""
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    violation = attempt.some("SELECT id::text AS id FROM violations").id
    if files:
        for row in attempt.rows("SELECT digest FROM evidence_files WHERE violation = %(id)s", id=violation):
            for path in attempt.office.folder.glob(f"evidence/*/*/{row.digest}.*"):
                attempt.files.remove(path)
    for table in ("queue", "decisions", "access_log", "evidence_files"):
        attempt.cursor.execute(f"DELETE FROM {table} WHERE violation = %(id)s", {"id": violation})
    attempt.execute("DELETE FROM violations WHERE id = %(id)s", id=violation)
    if entries:
        for table in ("audit_log", "audit_inbox"):
            attempt.cursor.execute(f"DELETE FROM {table} WHERE entry LIKE %(text)s", {"text": f"%{violation}%"})
        _rechain(attempt)


def _rechain(attempt: TamperContext) -> None:
    """Positions without gaps, and digests that fit: what the owner of the database can do, and what the exported heads are for."""
    rows = attempt.rows("SELECT position, entry FROM audit_log ORDER BY position")
    digest = NO_ENTRY
    for number, row in enumerate(rows, 1):
        digest = chained(digest, entry_digest(row.entry))
        attempt.execute(
            "UPDATE audit_log SET position = %(new)s, digest = %(digest)s WHERE position = %(old)s",
            new=number, digest=digest, old=row.position,
        )  # fmt: skip


def _rewritten_entry(attempt: TamperContext) -> None:
    """A verdict is changed in its row, in its entry and in the whole chain after it."""
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    row = attempt.some(
        "SELECT id, verdict FROM decisions d WHERE EXISTS (SELECT FROM audit_log WHERE kind = 'decision' AND key = id::text)"
    )
    other = "confirm" if row.verdict == "warn" else "warn"
    attempt.execute("UPDATE decisions SET verdict = %(other)s WHERE id = %(id)s", other=other, id=row.id)
    attempt.execute(
        "UPDATE audit_log SET entry = replace(entry, %(old)s, %(new)s) WHERE kind = 'decision' AND key = %(id)s",
        old=f'"verdict": "{row.verdict}"', new=f'"verdict": "{other}"', id=str(row.id),
    )  # fmt: skip
    _rechain(attempt)


def _removed_entry(attempt: TamperContext) -> None:
    """With its row, and the chain computed anew."""
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    row = attempt.some("SELECT position, key FROM audit_log WHERE kind = 'access'")
    attempt.execute("DELETE FROM access_log WHERE id = %(id)s", id=int(row.key))
    attempt.execute("DELETE FROM audit_log WHERE position = %(position)s", position=row.position)
    _rechain(attempt)


def _cut_log(attempt: TamperContext) -> None:
    """The end of the log, back to before the last exported head, with the rows."""
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    attempt.execute("DELETE FROM audit_log WHERE position > (SELECT max(position) FROM audit_log) - %(n)s", n=attempt.rng.randint(1, 9))
    attempt.cursor.execute("DELETE FROM audit_inbox")
    for table, kind in (("access_log", "access"), ("losses", "loss")):
        attempt.cursor.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS (SELECT FROM audit_log WHERE kind = %(kind)s AND key = id::text)", {"kind": kind}
        )


def _swapped_entries(attempt: TamperContext) -> None:
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    one, two = attempt.rng.sample(attempt.rows("SELECT position, kind, key, entry FROM audit_log"), 2)
    for row, place in ((one, two), (two, one)):
        attempt.execute(
            "UPDATE audit_log SET kind = %(kind)s, key = %(key)s, entry = %(entry)s WHERE position = %(position)s",
            kind=row.kind, key=row.key, entry=row.entry, position=place.position,
        )  # fmt: skip
    if attempt.rng.random() < 0.5:
        _rechain(attempt)


def _forged_decision(attempt: TamperContext, *, triggers: bool, signed: bool) -> None:
    """A further decision, which would be the last one of its case: with triggers it even gets an entry."""
    if not triggers:
        attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    violation = attempt.some("SELECT id::text AS id FROM violations").id
    row = {
        "violation": violation, "verdict": "confirm", "reason": None, "plate_text": "B1XX", "note": "", "reviewer": "rina",
        "seconds_taken": 5.0,
    }  # fmt: skip
    columns = sign_row(attempt.office.rogue if signed else None, "decision", row).columns
    attempt.execute(
        "INSERT INTO decisions (violation, verdict, plate_text, note, reviewer, decided_at, seconds_taken, nonce, signature) VALUES"
        " (%(violation)s, %(verdict)s, %(plate_text)s, %(note)s, %(reviewer)s, now(), %(seconds_taken)s, %(nonce)s, %(signature)s)",
        **row, **columns,
    )  # fmt: skip
    attempt.cursor.execute("DELETE FROM queue WHERE violation = %(id)s", {"id": violation})


def _forged_approval(*, triggers: bool) -> Change:
    return _sql(
        "INSERT INTO run_approvals (run, approved_by, results) SELECT run, 'eve', results FROM run_approvals ORDER BY random() LIMIT 1",
        triggers=triggers,
    )


def _copied_row(attempt: TamperContext) -> None:
    """A signed decision, a second time, with an entry of its own; the index that forbids it is gone."""
    attempt.cursor.execute("ALTER TABLE decisions DROP CONSTRAINT decisions_nonce_key")
    row = attempt.some("SELECT id FROM decisions")
    columns = "violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken, nonce, signature"
    attempt.execute(f"INSERT INTO decisions ({columns}) SELECT {columns} FROM decisions WHERE id = %(id)s", id=row.id)


def _moved_decision(attempt: TamperContext) -> None:
    attempt.cursor.execute("SET LOCAL session_replication_role = replica")
    row = attempt.some("SELECT id, violation::text AS violation FROM decisions")
    other = attempt.some("SELECT id::text AS id FROM violations WHERE id <> %(violation)s", violation=row.violation)
    attempt.execute("UPDATE decisions SET violation = %(other)s WHERE id = %(id)s", other=other.id, id=row.id)


def _imported_decision(attempt: TamperContext) -> None:
    """A decision whose entry claims to be from before the audit log."""
    _forged_decision(attempt, triggers=False, signed=False)
    attempt.execute(
        "INSERT INTO audit_inbox (kind, key, entry) SELECT 'decision', id::text, audit_entry('decision', id::text, to_jsonb(d), true)"
        " FROM decisions d ORDER BY id DESC LIMIT 1"
    )


def _signature_of_another_row(table: str) -> Change:
    def change(attempt: TamperContext) -> None:
        attempt.cursor.execute("SET LOCAL session_replication_role = replica")
        one, two = attempt.rng.sample(attempt.rows(f"SELECT ctid::text AS row, signature FROM {table} WHERE signature IS NOT NULL"), 2)
        attempt.execute(f"UPDATE {table} SET signature = %(other)s WHERE ctid = %(row)s::tid", other=two.signature, row=one.row)

    return change


def _head_lines(attempt: TamperContext) -> list[bytes]:
    return list(attempt.office.heads.lines())


def _write_heads(attempt: TamperContext, lines: list[bytes]) -> None:
    attempt.files.write(attempt.office.folder / "heads.jsonl", b"".join(line + b"\n" for line in lines))


def _changed_head(attempt: TamperContext) -> None:
    """Its position, its digest, its time or its signature."""
    lines = _head_lines(attempt)
    number = attempt.rng.randrange(len(lines))
    signed = json.loads(lines[number])
    content = json.loads(signed["head"])
    change = attempt.rng.choice(["position", "digest", "signed_at", "signature"])
    if change == "signature":
        signed["signature"] = f"{int(signed['signature'], 16) ^ 1:0128x}"
    else:
        content[change] = {"position": content["position"] + 1, "digest": "0" * 64, "signed_at": "2020-01-01T00:00:00+00:00"}[change]
        signed["head"] = json.dumps(content, sort_keys=True, separators=(",", ":"))
    lines[number] = json.dumps(signed).encode()
    _write_heads(attempt, lines)


def _head_of_another_key(attempt: TamperContext) -> None:
    """The log is rewritten and all heads are exported anew, with the forger's key."""
    _rewritten_entry(attempt)
    rows = {row.position: row.digest for row in attempt.rows("SELECT position, digest FROM audit_log")}
    lines = []
    for line in _head_lines(attempt):
        content = json.loads(json.loads(line)["head"])
        head = LogHead(position=content["position"], digest=Digest(rows[content["position"]]))
        lines.append(sign_head(head, datetime.fromisoformat(content["signed_at"]), attempt.office.rogue))
    _write_heads(attempt, lines)


def _trusted_key_replaced(attempt: TamperContext) -> PublicKeys:
    """The verifier is given the forger's public key."""
    keys = PublicKeys()
    keys.add(attempt.office.rogue.public_key)
    return keys


KINDS: Final[Mapping[str, Mapping[str, Change]]] = {
    "files": {
        "a bit changed": _changed_file,
        "cut": _cut_file,
        "removed": _removed_file,
        "two swapped": _swapped_files,
        "added": _added_file,
    },
    "manifests": {
        "of another case": _manifest_of_another_case,
        "signed again with another key": _signed_again,
        "row removed": _deleted("evidence_files", "suffix = '.manifest'"),
    },
    "signatures": {
        f"of {table}: {name}": change
        for table in ("decisions", "access_log", "users", "sessions", "run_approvals", "promotions", "proposals", "watch_changes")
        for name, change in {
            "removed": _column(table, "signature", "NULL"),
            "changed": _column(table, "signature", "left(signature, 65) || reverse(substr(signature, 66))"),
            "of another row": _signature_of_another_row(table),
            "nonce": _column(table, "nonce", "gen_random_uuid()"),
        }.items()
    },
    "decisions": {
        "verdict": _column("decisions", "verdict", "CASE verdict WHEN 'warn' THEN 'confirm' ELSE 'warn' END"),
        "reason": _column("decisions", "reason", "'other'"),
        "plate": _column("decisions", "plate_text", "'B1FORGED'"),
        "plate removed": _column("decisions", "plate_text", "NULL"),
        "note": _column("decisions", "note", "note || 'x'"),
        "officer": _column("decisions", "reviewer", "CASE reviewer WHEN 'rina' THEN 'dewi' ELSE 'rina' END"),
        "time": _column("decisions", "decided_at", "decided_at - random() * interval '9 days'"),
        "seconds": _column("decisions", "seconds_taken", "seconds_taken + 0.25"),
        "removed": _deleted("decisions"),
        "all of a case removed": _sql(
            "WITH gone AS (DELETE FROM decisions WHERE violation = (SELECT violation FROM decisions ORDER BY random() LIMIT 1) RETURNING *)"
            " INSERT INTO queue (violation, occurred_at)"
            " SELECT DISTINCT v.id, v.occurred_at FROM gone JOIN violations v ON v.id = violation"
        ),
        "forged": partial(_forged_decision, triggers=False, signed=False),
        "forged openly": partial(_forged_decision, triggers=True, signed=False),
        "forged openly, signed with another key": partial(_forged_decision, triggers=True, signed=True),
        "forged as if older than the log": _imported_decision,
        "copied": _copied_row,
        "moved to another case": _moved_decision,
        "order": _swapped_ids("decisions"),
    },
    "access log": {
        "name": _column("access_log", "who", "CASE who WHEN 'rina' THEN 'dewi' ELSE 'rina' END"),
        "time": _column("access_log", "at", "at + interval '1 second'"),
        "address": _column("access_log", "address", "'10.9.9.9'"),
        "action": _column("access_log", "action", "'list_viewed'"),
        "case": _column("access_log", "violation", "NULL"),
        "detail": _column("access_log", "detail", "detail || '.'"),
        "removed": _deleted("access_log"),
        "order": _swapped_ids("access_log"),
        "forged": _sql("INSERT INTO access_log (at, who, address, action) VALUES (now(), 'dewi', '10.0.0.7', 'case_viewed')"),
        "forged openly": _sql(
            "INSERT INTO access_log (at, who, address, action) VALUES (now(), 'dewi', '10.0.0.7', 'case_viewed')", triggers=True
        ),
    },
    "users": {
        "role": _column("users", "role", "'admin'"),
        "role openly": _openly("users", "role", "'admin'"),
        "password": _column("users", "password_hash", "'hash of the forger'"),
        "password openly": _openly("users", "password_hash", "'hash of the forger'"),
        "disabled": _column("users", "disabled_at", "now()", "disabled_at IS NULL"),
        "disabled openly": _openly("users", "disabled_at", "now()", "disabled_at IS NULL"),
        "enabled": _column("users", "disabled_at", "NULL", "disabled_at IS NOT NULL"),
        "time": _column("users", "created_at", "created_at - interval '1 day'"),
        "name": _column("users", "name", "name || '-x'"),
        "removed": _deleted("users"),
        "forged": _sql("INSERT INTO users (name, role, password_hash, created_at) VALUES ('eve', 'admin', 'hash', now())"),
        "forged openly": _sql(
            "INSERT INTO users (name, role, password_hash, created_at) VALUES ('eve', 'admin', 'hash', now())", triggers=True
        ),
    },
    "sessions": {
        "user": _column("sessions", "user_name", "CASE user_name WHEN 'sari' THEN 'rina' ELSE 'sari' END"),
        "token": _column("sessions", "token_hash", "reverse(token_hash)"),
        "address": _column("sessions", "address", "'10.9.9.9'"),
        "began": _column("sessions", "created_at", "created_at - interval '1 hour'"),
        "expires": _column("sessions", "expires_at", "expires_at + interval '99 years'"),
        "last seen": _column("sessions", "last_seen_at", "expires_at + interval '1 minute'"),
        "opened again": _column("sessions", "ended_at", "NULL", "ended_at IS NOT NULL"),
        "end moved": _column("sessions", "ended_at", "ended_at + interval '1 minute'", "ended_at IS NOT NULL"),
        "ended openly": _openly("sessions", "ended_at", "now()", "ended_at IS NULL"),
        "removed": _deleted("sessions"),
        **{
            name: _sql(
                "INSERT INTO sessions (token_hash, user_name, address, created_at, last_seen_at, expires_at)"
                " VALUES (repeat('ab', 32), 'sari', '10.0.0.7', now(), now(), now() + interval '10 hours')",
                triggers=openly,
            )
            for name, openly in {"forged": False, "forged openly": True}.items()
        },
    },
    "columns": {
        "site": _column("violations", "site", "'simpang-lain'"),
        "camera": _column("violations", "camera", "'cam-9'"),
        "rule": _column("violations", "rule", "CASE rule WHEN 'red_light' THEN 'stop_line' ELSE 'red_light' END"),
        "time": _column("violations", "occurred_at", "occurred_at + interval '1 minute'"),
        "plate": _column("violations", "plate", "'B1FORGED'"),
        "plate removed": _column("violations", "plate", "NULL"),
        "vehicle": _column("violations", "vehicle", "'bus'"),
        "recorded": _column("violations", "recorded_at", "recorded_at - interval '1 minute'"),
        "document: plate": _column("violations", "document", "jsonb_set(document, '{body,plate,text}', '\"B1FORGED\"')"),
        "document: measured": _column("violations", "document", "jsonb_set(document, '{body,measured,0,value}', '9.9')"),
        "document: fine": _column("violations", "document", "jsonb_set(document, '{body,article,max_fine_idr}', '1')"),
    },
    "evidence_files": {
        "digest": _column("evidence_files", "digest", "reverse(digest)"),
        "suffix": _column("evidence_files", "suffix", "'.png'"),
        "bytes": _column("evidence_files", "bytes", "bytes + 1"),
        "case": _column("evidence_files", "violation", "(SELECT min(id::text)::uuid FROM violations)"),
        "removed": _deleted("evidence_files"),
        "added": _sql(
            "INSERT INTO evidence_files (violation, digest, suffix, bytes) SELECT v.id, f.digest, f.suffix, f.bytes"
            " FROM violations v JOIN evidence_files f ON f.violation <> v.id WHERE f.suffix = '.jpg' ORDER BY random() LIMIT 1"
        ),
    },
    "queue": {
        "removed": _deleted("queue"),
        "decided case added": _sql(
            "INSERT INTO queue (violation, occurred_at) SELECT v.id, v.occurred_at FROM violations v"
            " WHERE EXISTS (SELECT FROM decisions WHERE violation = v.id) ORDER BY random() LIMIT 1"
        ),
        "time": _column("queue", "occurred_at", "occurred_at - interval '1 day'"),
        "leased to nobody": _sql(
            "UPDATE queue SET reviewer = 'nobody-here', expires_at = now() WHERE violation = (SELECT min(violation::text)::uuid FROM queue)"
        ),
        "leased for ever": _sql(
            "UPDATE queue SET reviewer = 'rina', expires_at = now() + interval '99 years'"
            " WHERE violation = (SELECT min(violation::text)::uuid FROM queue)"
        ),
    },
    "lists and counts": {
        "state": _column("case_states", "state", "CASE state WHEN 'warn' THEN 'confirm' ELSE 'warn' END"),
        "plate": _column("case_states", "plate", "'B1FORGED'"),
        "decided plate": _column("case_states", "decided_plate", "'B1FORGED'"),
        "officer": _column("case_states", "reviewer", "'eve'"),
        "time": _column("case_states", "occurred_at", "occurred_at - interval '1 day'"),
        "removed": _deleted("case_states"),
        "count": _column("case_counts", "cases", "cases + 1"),
        "count removed": _deleted("case_counts"),
        "camera": _column("cameras", "name", "'Simpang Lain'"),
    },
    "losses": {
        "camera": _column("losses", "camera", "'cam-9'"),
        "reason": _column("losses", "reason", "'undecodable'"),
        "times": _column("losses", "times", "times + 1"),
        "time": _column("losses", "counted_at", "counted_at - interval '1 day'"),
        "removed": _deleted("losses"),
        "forged": _sql("INSERT INTO losses (camera, reason, times, counted_at) VALUES ('cam-1', 'gap', 5, now())"),
    },
    "runs": {
        "approval: officer": _column("run_approvals", "approved_by", "approved_by || '-x'"),
        "approval: results": _column("run_approvals", "results", "reverse(results)"),
        "approval: time": _column("run_approvals", "approved_at", "approved_at - interval '1 day'"),
        "approval removed": _deleted("run_approvals"),
        "approval forged": _forged_approval(triggers=False),
        "approval forged openly": _forged_approval(triggers=True),
        "promotion: officer": _column("promotions", "requested_by", "'eve'"),
        "promotion: cases": _column("promotions", "cases_added", "cases_added + 1"),
        "promotion removed": _deleted("promotions"),
        "proposal: case": _column("proposals", "violation", "(SELECT max(id::text)::uuid FROM violations)"),
        "proposal: document": _column("proposals", "document", "jsonb_set(document, '{body,plate,text}', '\"B1FORGED\"')"),
        "proposal removed": _deleted("proposals"),
    },
    "watch list": {
        "plate": _column("watch_changes", "plate", "'B1EVE'"),
        "reason": _column("watch_changes", "reason", "'blocked'"),
        "change": _column("watch_changes", "change", "CASE change WHEN 'listed' THEN 'removed' ELSE 'listed' END"),
        "source": _column("watch_changes", "source", "source || '-x'"),
        "last day": _column("watch_changes", "valid_until", "valid_until - 100"),
        "officer": _column("watch_changes", "changed_by", "'eve'"),
        "time": _column("watch_changes", "changed_at", "changed_at - interval '1 day'"),
        "removed": _deleted("watch_changes"),
        "forged": _sql(
            "INSERT INTO watch_changes (plate, change, reason, source, valid_until, changed_by)"
            " VALUES ('B1EVE', 'listed', 'stolen', 'none', '2030-01-01', 'eve')"
        ),
    },
    "cases": {
        "rows removed": partial(_removed_case, files=False, entries=False),
        "rows and files removed": partial(_removed_case, files=True, entries=False),
        "rows, files and entries removed": partial(_removed_case, files=True, entries=True),
    },
    "audit log": {
        "entry changed": _column("audit_log", "entry", "replace(entry, ': \"', ':  \"')"),
        "digest changed": _column("audit_log", "digest", "reverse(digest)"),
        "kind changed": _column("audit_log", "kind", "'loss'"),
        "key changed": _column("audit_log", "key", "key || '0'"),
        "entry removed": _deleted("audit_log"),
        "entry and row removed, chain computed anew": _removed_entry,
        "verdict changed in row, entry and chain": _rewritten_entry,
        "end removed": _cut_log,
        "two swapped": _swapped_entries,
        "unsealed entry changed": _column("audit_inbox", "entry", "replace(entry, ': \"', ': \"x')"),
        "unsealed entry removed": _deleted("audit_inbox"),
    },
    "heads": {
        "changed": _changed_head,
        "made anew with another key": _head_of_another_key,
    },
    "keys": {
        "the trusted key replaced": _trusted_key_replaced,
    },
    "protection": {
        "trigger disabled": _schema("ALTER TABLE decisions DISABLE TRIGGER decisions_logged"),
        "all triggers disabled": _schema("ALTER TABLE access_log DISABLE TRIGGER ALL"),
        "trigger removed": _schema("DROP TRIGGER violations_stay ON violations"),
        "function replaced": _schema(
            "CREATE OR REPLACE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        ),
    },
}
"""By what is changed, and how."""
