"""An evidence package: everything about a case that somebody else needs to verify it offline, as a zip file.

Besides the files of the case it holds the manifest, the decisions and the entries of the audit log as they are stored, the links of the
chain from each entry to the next exported head, those heads, the public keys, and the script that verifies all of it.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from etle.errors import EvidenceCorrupt
from etle.signing import PublicKeys
from etle.storage.audit.chain import NO_ENTRY, entry_digest
from etle.storage.audit.heads import HeadStore, read_head
from etle.storage.database import Cursor, Database
from etle.storage.evidence.manifest import read_manifest
from etle.storage.queries import sql
from etle.types import Digest, ViolationId, digest_of

README: Final = """Paket bukti / evidence package

laporan.pdf    laporan yang dapat dibaca / the readable report
files/         gambar dan klip asli, bernama sidik SHA-256 / original pictures and clip, named by their SHA-256
manifest.json  daftar berkas yang ditandatangani / the signed list of the files, with the violation as it was found
decisions.json keputusan petugas / the decisions
log.json       entri catatan audit dan rantainya / entries of the audit log, and the chain to the heads
heads.jsonl    kepala catatan audit yang diekspor / exported heads of the audit log
keys.json      kunci publik / public keys

python3 verify.py                            memeriksa semuanya / verifies all of it (Python 3.9, no package)
python3 verify.py --fingerprint FINGERPRINT  hanya dengan kunci yang diumumkan / only with a published key
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExtract:
    """The entries of one case, with the parts of the chain that lead from each to an exported head."""

    entries: tuple[Mapping[str, Any], ...]
    segments: tuple[Mapping[str, Any], ...]
    heads: tuple[bytes, ...]
    keys: Mapping[Digest, bytes]
    """Public keys with which the heads are signed."""

    @property
    def covered(self) -> int:
        """Number of entries that an exported head covers."""
        return sum(
            entry["position"] is not None and any(_holds(each, entry["position"]) for each in self.segments) for entry in self.entries
        )


def log_extract(database: Database, heads: HeadStore, violation: ViolationId) -> LogExtract:
    """Raises StoreUnavailable. Heads that cannot be read or were forged are left out."""
    signed = {}
    for line in heads.lines():
        try:
            head = read_head(line)
        except EvidenceCorrupt:
            continue
        signed[head.head.position] = (line, head.public_key)
    with database.transaction(snapshot=True) as cursor:
        cursor.execute(sql("audit_entries_of_case"), {"violation": str(violation)})
        entries = tuple({"position": row.position, "entry": row.entry} for row in cursor.fetchall())
        segments, used = [], []
        for first, last in _spans([entry["position"] for entry in entries if entry["position"]], sorted(signed)):
            segments.append(_segment(cursor, first, last))
            used.append(last)
    found = [signed[position] for position in used]
    keys = {digest_of(raw): raw for _, raw in found}
    return LogExtract(entries=entries, segments=tuple(segments), heads=tuple(line for line, _ in found), keys=keys)


def package_of(files: Mapping[str, bytes], manifest: bytes, extract: LogExtract, keys: PublicKeys, report: bytes) -> bytes:
    """The zip file. `files`: the evidence files by name."""
    decisions = [json.loads(entry["entry"])["row"] for entry in extract.entries if json.loads(entry["entry"])["kind"] == "decision"]
    public = {**keys.known(), digest_of(read_manifest(manifest).public_key): read_manifest(manifest).public_key, **extract.keys}
    listed = [{"fingerprint": key, "public_key": raw.hex()} for key, raw in sorted(public.items())]
    content = {
        "README.txt": README.encode(),
        "laporan.pdf": report,
        "manifest.json": manifest,
        "decisions.json": _json(decisions),
        "log.json": _json({"entries": extract.entries, "segments": extract.segments}),
        "heads.jsonl": b"".join(line + b"\n" for line in extract.heads),
        "keys.json": _json(listed),
        "verify.py": resources.files("etle.storage.evidence").joinpath("verify_package.py").read_bytes(),
        **{f"files/{name}": data for name, data in files.items()},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return out.getvalue()


def _spans(positions: Sequence[int], heads: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From the first entry before each head to that head; entries after the last head are not covered."""
    left = sorted(positions)
    for head in heads:
        before = [position for position in left if position <= head]
        if before:
            yield before[0], head
            left = [position for position in left if position > head]


def _segment(cursor: Cursor, first: int, last: int) -> Mapping[str, Any]:
    cursor.execute(sql("audit_entries_between"), {"first": first - 1, "last": last})
    rows = cursor.fetchall()
    before = next((row.digest for row in rows if row.position == first - 1), NO_ENTRY)
    return {"first": first, "previous": before, "entries": [entry_digest(row.entry) for row in rows if row.position >= first]}


def _holds(segment: Mapping[str, Any], position: int) -> bool:
    return bool(segment["first"] <= position < segment["first"] + len(segment["entries"]))


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
