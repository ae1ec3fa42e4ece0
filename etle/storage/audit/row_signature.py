"""Signatures of rows: who adds a decision, a line of the access log, an account, a session, or an approval of a run signs its content.

The key is not in the database, so whoever owns the tables can add a row, but not one that verifies. The nonce is signed with the content,
and each is used once: a signed row cannot be copied. The nonce of a changed row is derived from the one before the change, so that no
change between two others can be removed from the log. Ids and times are set by the database and covered by the audit log instead.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from etle.canonical_json import canonical_json
from etle.signing import PublicKeys, Signer

Content = Mapping[str, Any]
_DERIVED: Final = 8
"""The UUID version of a nonce that is derived from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSignature:
    """The columns `nonce` and `signature` of a row; both None if the process has no key."""

    nonce: UUID | None = None
    signature: str | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        return {"nonce": str(self.nonce) if self.nonce else None, "signature": self.signature}


def sign_row(signer: Signer | None, kind: str, row: Content, previous: str | None = None) -> RowSignature:
    """Signs the columns of `row` that `SIGNED` names. `previous`: the nonce of the row that this one replaces; None for a new row, and for
    one that was not signed. Without a signer the row stays unsigned, and `etle evidence verify` says so."""
    if signer is None:
        return RowSignature()
    nonce = next_nonce(UUID(previous)) if previous else uuid4()
    signature = signer.sign(_signed_bytes(kind, row, nonce)).hex()
    return RowSignature(nonce=nonce, signature=f"{signer.fingerprint}:{signature}")


def next_nonce(previous: UUID) -> UUID:
    """The nonce of the next change of a row: a UUID of version 8 (RFC 9562, section 5.8) from SHA-256 of the previous one."""
    digest = bytearray(hashlib.sha256(b"etle nonce:" + previous.bytes).digest()[:16])
    digest[6], digest[8] = 0x80 | digest[6] & 0x0F, 0x80 | digest[8] & 0x3F
    return UUID(bytes=bytes(digest))


def follows(row: Content, previous: Content | None) -> bool:
    """Whether no change is missing between two entries of a row; `previous` is None if `row` is the first. Changes of older versions, whose
    nonces are random, follow anything."""
    nonce = UUID(row["nonce"]) if row.get("nonce") else None
    if nonce is None or nonce.version != _DERIVED:
        return True
    before = previous.get("nonce") if previous else None
    return before is not None and nonce == next_nonce(UUID(before))


def signature_problem(kind: str, row: Content, keys: PublicKeys) -> str | None:
    """What is wrong with the signature of a stored row; None if it is valid."""
    if not row.get("nonce") or not row.get("signature"):
        return "it is not signed"
    fingerprint, _, signature = str(row["signature"]).partition(":")
    try:
        signed, raw = _signed_bytes(kind, row, UUID(row["nonce"])), bytes.fromhex(signature)
    except (ValueError, KeyError, TypeError):
        return "its signature cannot be read"
    if fingerprint not in keys:
        return f"it is signed with an unknown key, of fingerprint {fingerprint[:64]}"
    return None if keys.verify(fingerprint, signed, raw) else "its signature is invalid: the row is not the one that was signed"


def secret_digest(secret: str) -> str:
    """Names a password hash or session token in the log without disclosing it; the columns `password_digest` and `token_digest`."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _signed_bytes(kind: str, row: Content, nonce: UUID) -> bytes:
    return canonical_json({"kind": kind, "nonce": str(nonce), "row": SIGNED[kind](row)})


def _decision(row: Content) -> Content:
    columns = ("violation", "verdict", "reason", "plate_text", "note", "reviewer")
    seconds = row["seconds_taken"]
    return {name: row[name] for name in columns} | {"seconds_taken": None if seconds is None else float(seconds)}


def _access(row: Content) -> Content:
    return {name: row[name] for name in ("who", "address", "action", "violation", "detail")}


def _user(row: Content) -> Content:
    return {name: row[name] for name in ("name", "role", "password_digest")} | {"disabled": row["disabled_at"] is not None}


def _session(row: Content) -> Content:
    return {name: row[name] for name in ("token_digest", "user_name", "address")} | {"ended": row["ended_at"] is not None}


def _approval(row: Content) -> Content:
    return {name: row[name] for name in ("run", "approved_by", "results")}


def _promotion(row: Content) -> Content:
    return {name: row[name] for name in ("run", "requested_by", "approved_by", "results", "cases_added", "proposed")}


def _proposal(row: Content) -> Content:
    """Without the document, whose numbers PostgreSQL writes in its own way: it is in the log's entry."""
    return {name: row[name] for name in ("violation", "run", "changed")}


def _watch(row: Content) -> Content:
    return {name: row[name] for name in ("plate", "change", "reason", "vehicle", "source", "valid_until", "changed_by")}


SIGNED: Final[Mapping[str, Callable[[Content], Content]]] = {
    "decision": _decision,
    "access": _access,
    "user": _user,
    "session": _session,
    "approval": _approval,
    "promotion": _promotion,
    "proposal": _proposal,
    "watch": _watch,
}
"""What is signed of a row, by the kind of its entry in the audit log."""
