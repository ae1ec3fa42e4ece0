"""Verifies an evidence package offline: python3 verify.py [--fingerprint FINGERPRINT]

Needs Python 3.9 or later and nothing else. It computes the digest of every file, checks the signatures of the manifest, the decisions and
the heads of the audit log, and the chain from the entries of the case to a head. The keys are in the package; that they are those of the
office is known only if you compare their fingerprints with the published ones, or name those with --fingerprint.
"""

# The script prints, and is packed into every evidence package as it is.
# ruff: noqa: T201

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 4 * pow(5, P - 2, P) % P


Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T: the point is (X / Z, Y / Z), and T = X * Y / Z


def ed25519_is_valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = decompress(public_key), decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(hashed, "little") % ORDER
    left, right = multiply(scalar, extended(BASE_X, BASE_Y)), add(commitment, multiply(challenge, key))
    return all((left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1))


def extended(x: int, y: int) -> Point:
    return x, y, 1, x * y % P


def add(one: Point, two: Point) -> Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = extended(0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decompress(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y, sign)
    return None if x is None else extended(x, y)


def recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Package:
    """The files of a package, and what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.manifest_digest = ""
        self.keys: dict[str, bytes] = {}
        for entry in json.loads((folder / "keys.json").read_text("utf-8")):
            raw = bytes.fromhex(entry["public_key"])
            self.keys[sha256(raw)] = raw

    def verify(self) -> None:
        manifest = self.verify_manifest()
        self.verify_frames(manifest)
        entries = self.verify_log()
        self.verify_decisions(entries, manifest)

    def verify_manifest(self) -> dict[str, Any]:
        data = (self.folder / "manifest.json").read_bytes()
        outer = json.loads(data)
        key = bytes.fromhex(outer["public_key"])
        self.require(sha256(key) in self.keys, "the manifest is signed with a key that is not in keys.json: " + sha256(key))
        valid = ed25519_is_valid(key, outer["manifest"].encode(), bytes.fromhex(outer["signature"]))
        self.require(valid, "the signature of the manifest is invalid")
        content: dict[str, Any] = json.loads(outer["manifest"])
        listed = set()
        for file in content["files"]:
            name = file["sha256"] + file["suffix"]
            listed.add(name)
            path = self.folder / "files" / name
            if not path.is_file():
                self.problems.append("the file " + name + " is missing")
                continue
            bytes_ = path.read_bytes()
            self.require(sha256(bytes_) == file["sha256"] and len(bytes_) == file["bytes"], "the file " + name + " was changed")
        for path in sorted((self.folder / "files").iterdir()):
            self.require(path.name in listed, "the file " + path.name + " does not belong to the case")
        self.notes.append(f"{len(listed)} files are those of the manifest, which is signed with {sha256(key)}")
        self.manifest_digest = sha256(data)
        return content

    def verify_frames(self, manifest: dict[str, Any]) -> None:
        pictures = manifest["violation"]["body"]["pictures"]
        signed = verified = 0
        for picture in pictures:
            device = picture.get("frame_signature")
            if not device:
                continue
            signed += 1
            text, signature = bytes.fromhex(device["signed"]), bytes.fromhex(device["signature"])
            self.require(picture["sha256"].encode() in text, "a device's signature belongs to another picture than " + picture["sha256"])
            verified += any(ed25519_is_valid(raw, text, signature) for raw in self.keys.values())
        carried = "%d of %d pictures carry an edge device's signature; %d verify with a key of the package"
        self.notes.append(carried % (signed, len(pictures), verified))

    def verify_log(self) -> list[dict[str, Any]]:
        """The entries of the case by kind, those only that verify."""
        log = json.loads((self.folder / "log.json").read_text("utf-8"))
        heads = self.heads()
        digests: dict[int, tuple[str, str]] = {}
        covered: set[int] = set()
        for segment in log["segments"]:
            digest, position = segment["previous"], segment["first"] - 1
            for entry_digest in segment["entries"]:
                position += 1
                digest = sha256((digest + entry_digest).encode())
                digests[position] = (entry_digest, digest)
            self.require(heads.get(position, digest) == digest, f"the audit log differs from its exported head at {position}")
            if position in heads:
                covered |= set(range(segment["first"], position + 1))
        found = []
        for entry in log["entries"]:
            text, position = entry["entry"], entry["position"]
            if position is not None:
                in_place = position in digests and digests[position][0] == sha256(text.encode())
                self.require(in_place, f"entry {position} is not in its place in the audit log")
            found.append(json.loads(text))
        proven = sum(entry["position"] in covered for entry in log["entries"])
        self.notes.append(f"{len(found)} entries of the audit log; exported heads cover {proven}")
        return found

    def heads(self) -> dict[int, str]:
        heads: dict[int, str] = {}
        for line in filter(None, (self.folder / "heads.jsonl").read_text("utf-8").splitlines()):
            signed = json.loads(line)
            key, text = bytes.fromhex(signed["public_key"]), signed["head"].encode()
            valid = sha256(key) in self.keys and ed25519_is_valid(key, text, bytes.fromhex(signed["signature"]))
            self.require(valid, "the signature of an exported head is invalid, or its key is not in keys.json")
            content = json.loads(text)
            heads[content["position"]] = content["digest"]
        return heads

    def verify_decisions(self, entries: list[dict[str, Any]], manifest: dict[str, Any]) -> None:
        logged = [entry["row"] for entry in entries if entry["kind"] == "decision"]
        decisions = json.loads((self.folder / "decisions.json").read_text("utf-8"))
        self.require(decisions == logged, "the decisions are not those of the audit log")
        manifests = [entry["row"]["digest"] for entry in entries if entry["kind"] == "manifest"]
        self.require(self.manifest_digest in manifests, "the audit log names another manifest")
        signed = 0
        for entry in entries:
            if entry["kind"] != "decision" or entry.get("imported"):
                continue
            row, (fingerprint, _, signature) = entry["row"], str(entry["row"]["signature"]).partition(":")
            seconds = row["seconds_taken"]
            content = {name: row[name] for name in ("violation", "verdict", "reason", "plate_text", "note", "reviewer")}
            content["seconds_taken"] = None if seconds is None else float(seconds)
            text = canonical({"kind": "decision", "nonce": row["nonce"], "row": content})
            raw = self.keys.get(fingerprint, b"")
            valid = row["signature"] is not None and ed25519_is_valid(raw, text, bytes.fromhex(signature))
            self.require(valid, "decision {} is not signed, or its signature is invalid".format(row["id"]))
            self.require(row["violation"] == manifest["violation"]["body"]["id"], f"decision {row['id']} is about another case")
            signed += valid
        self.notes.append(f"{len(decisions)} decisions, {signed} of them signed")

    def require(self, condition: bool, problem: str) -> None:
        if not condition:
            self.problems.append(problem)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fingerprint", action="append", default=[], help="a published fingerprint; every key has to be one of them")
    args = parser.parse_args()
    package = Package(Path(__file__).resolve().parent)
    try:
        package.verify()
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        package.problems.append(f"a file of the package is missing or cannot be read: {error!r}")
    for fingerprint in sorted(package.keys):
        print("key " + fingerprint)
        named = not args.fingerprint or fingerprint in args.fingerprint
        package.require(named, "this key was not named with --fingerprint: " + fingerprint)
    for note in package.notes:
        print(note)
    for problem in package.problems:
        print("PROBLEM: " + problem)
    print("NOT VERIFIED" if package.problems else "VERIFIED")
    return 1 if package.problems else 0


if __name__ == "__main__":
    sys.exit(main())
