"""Session tokens and what is derived from them: the stored hash, the CSRF token, and signed form values.

The session token exists only in the browser's cookie; the database stores its SHA-256. CSRF tokens and signatures are HMACs of the
session token: nothing is stored for them, and they do not reveal the session token.
"""

import hashlib
import hmac
import secrets


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """CSRF token of the forms of the session `token`: another one on each page, so that the length of compressed pages tells nothing."""
    return _csrf_token(token, secrets.token_hex(16))


def is_csrf_token(token: str, submitted: str) -> bool:
    return hmac.compare_digest(_csrf_token(token, submitted[:32]).encode(), submitted.encode())


def _csrf_token(token: str, nonce: str) -> str:
    return nonce + hmac.new(token.encode(), b"form:" + nonce.encode(), hashlib.sha256).hexdigest()[:32]


def sign(token: str, text: str) -> str:
    """`text` with a signature that only this session's pages carry."""
    return text + "." + hmac.new(token.encode(), b"seal:" + text.encode(), hashlib.sha256).hexdigest()


def unsign(token: str, signed: str) -> str | None:
    """The text that `sign` signed for this session; None if the signature does not match."""
    text = signed.rpartition(".")[0]
    return text if hmac.compare_digest(sign(token, text).encode(), signed.encode()) else None
