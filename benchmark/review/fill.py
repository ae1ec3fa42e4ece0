"""Fills a database with cases by INSERT ... SELECT, and the evidence store with the pictures that they all show."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from benchmark.faults.footage import DEMO
from etle.protocols import EvidenceStore
from etle.storage.database import Database
from etle.storage.users import UserRole, Users
from etle.testing import a_violation_message
from etle.types import Clip, Digest, EvidenceRole, Violation
from etle.wire import violation_to_json
from review.passwords import Passwords

MAX_OPEN: Final = 98_000
WIDTH, HEIGHT = 1920, 1080
PASSWORD: Final = "kata sandi tolok ukur"

# `n` is a case's number; the oldest are decided, the last `open_cases` are open. Ids, plates and reviewers are derived from it.
_FILL: Final = """
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS
SELECT n, md5('case ' || n)::uuid AS id, now() - make_interval(mins => %(cases)s - n) AS occurred_at,
       substr('BDFLNS', 1 + n %% 6, 1) || (1000 + n::bigint * 7919 %% 9000)
           || translate(substr(md5('plate ' || n), 1, 3), '0123456789', 'GHJKLPRSTX') AS plate,
       (ARRAY['red_light', 'stop_line', 'wrong_way'])[1 + n %% 3] AS rule, 'kamera-' || n %% 120 AS camera
FROM generate_series(1, %(cases)s) n;
UPDATE numbered SET plate = upper(plate);
INSERT INTO violations (id, site, camera, rule, occurred_at, plate, vehicle, document, recorded_at)
SELECT id, 'benchmark', camera, rule, occurred_at, plate, 'car',
       replace(replace(replace(CASE WHEN n > %(decided)s THEN %(whole)s ELSE %(short)s END, %(id)s, id::text), 'B1432GMC', plate),
               '"Simpang Barat"', '"Kamera ' || n %% 120 || '"')::jsonb,
       occurred_at
FROM numbered ORDER BY n;
INSERT INTO decisions (violation, verdict, reason, plate_text, note, reviewer, decided_at, seconds_taken)
SELECT id, CASE n %% 10 WHEN 0 THEN 'warn' WHEN 1 THEN 'reject' ELSE 'confirm' END, CASE n %% 10 WHEN 1 THEN 'no_violation' END, plate, '',
       'petugas-' || n %% %(reviewers)s, occurred_at + interval '1 day', 5 + n %% 7
FROM numbered WHERE n <= %(decided)s ORDER BY n;
INSERT INTO queue (violation, occurred_at) SELECT id, occurred_at FROM numbered WHERE n > %(decided)s ORDER BY n;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledCases:
    cases: int
    open_cases: int
    pictures: tuple[str, ...]
    """Names of the files of each case, as its pages address them."""


def fill(database: Database, evidence: EvidenceStore, cases: int, reviewers: int) -> FilledCases:
    """Needs a migrated database in which nothing is stored, and a superuser, to disable the triggers meanwhile."""
    open_cases = min(MAX_OPEN, cases // 2)
    template = _template(evidence)
    with database.transaction() as cursor:
        cursor.execute(
            _FILL,
            {
                "cases": cases,
                "decided": cases - open_cases,
                "reviewers": reviewers,
                "whole": violation_to_json(template),
                "short": violation_to_json(replace(template, path=template.path[:2], plate=replace(template.plate, sightings=()))),
                "id": str(template.id),
            },
        )
        cursor.execute("SELECT rebuild_case_states()")
    with database.transaction() as cursor:
        cursor.execute("ANALYZE")
    _add_users(database, reviewers)
    digests = dict.fromkeys(picture.sha256 for picture in template.pictures)
    clip = [f"{template.clip.sha256}.mp4"] if template.clip else []
    return FilledCases(cases=cases, open_cases=open_cases, pictures=(*(f"{digest}.jpg" for digest in digests), *clip))


def _template(evidence: EvidenceStore) -> Violation:
    """A violation with pictures of 1080p, a clip of the demo footage and thirty sightings."""
    violation = a_violation_message().violation
    roles = (EvidenceRole.BEFORE, EvidenceRole.AT, EvidenceRole.AFTER, EvidenceRole.PLATE)
    pictures = tuple(
        replace(violation.pictures[0], role=role, width=WIDTH, height=HEIGHT, sha256=evidence.put(_jpeg(seed), ".jpg"))
        for seed, role in enumerate(roles)
    )
    clip: Digest = evidence.put((DEMO.parent / "keluar.mp4").read_bytes(), ".mp4")
    return replace(
        violation,
        pictures=pictures,
        path=(violation.path * 30)[:30],
        clip=Clip(starts_at=violation.occurred_at, ends_at=violation.path[-1].captured_at, width=960, height=540, sha256=clip),
    )


def _jpeg(seed: int) -> bytes:
    """About 200 kB: smooth, with the noise of a camera."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (27, 48, 3), np.uint8)
    picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noisy = np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def _add_users(database: Database, reviewers: int) -> None:
    users, hashed = Users(database), Passwords().hash(PASSWORD)
    with database.transaction() as cursor:
        cursor.execute("SELECT now() AS now")
        now = cursor.fetchone().now
    for number in range(reviewers):
        users.add(f"petugas-{number}", UserRole.REVIEWER, hashed, now)
    users.add("pengawas", UserRole.SUPERVISOR, hashed, now)
