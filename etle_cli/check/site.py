"""What can be wrong with a site file that loads: its rules and drawings, the law, the weights, the keys, the secrets."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from etle.config.site import CameraSettings, Site
from etle.errors import EtleError
from etle.types import RuleName
from etle_cli.check.result import CheckResult, looked, note, ok, problem
from etle_cli.commands.ingest import box_key
from pipeline.assembly import needed_weights, shipped_law


def check_rules(site: Site) -> Iterator[CheckResult]:
    """Geometry and settings, as a stage would build them, and the article of today for each rule."""
    for camera in site.cameras:
        yield looked(f"rules of {camera.id}", lambda camera=camera: _built(site, camera))  # type: ignore[misc]  # bound now, not later
        if camera.rules and not camera.ground_points:
            yield note(f"calibration of {camera.id}", "no ground_points: distances are told in pixels, and no speed")


def _built(site: Site, camera: CameraSettings) -> str:
    from pipeline.rules import build_rules
    from pipeline.scene.calibration import calibrate

    rules = build_rules(camera, calibrate(camera))
    if not rules:
        return "none: its frames are looked at and nothing is found"
    law, today = shipped_law(), datetime.now(UTC)
    articles = [f"{entry.rule} ({law.article(RuleName(entry.rule), today, site.timezone).article})" for entry in camera.rules]
    return ", ".join(articles)


def check_weights(site: Site) -> Iterator[CheckResult]:
    from models.weights.locate import weight

    for name in needed_weights(site.detect):
        yield looked(f"weights {name}", lambda name=name: f"{weight(name)}, with the right digest")  # type: ignore[misc]
    if site.detect.weights is not None and not site.detect.weights.is_file():
        yield problem("detect.weights", f"{site.detect.weights} is not there")


def check_box_key(site: Site, data: Path) -> Iterator[CheckResult]:
    """The private key of this box, and whether the site takes its frames."""
    from etle.signing import Signer, read_public_key

    key = box_key(site.ingest, data)
    if not key.exists():
        yield note(
            "signing key of this box", f"{key} is not there yet: `etle ingest` makes it, and `etle keys ingest` says what to do with it"
        )
        return
    try:
        signer = Signer.read(key)
        mine = [box.id for box in site.ingest.boxes if signer.pairs(read_public_key(box.public_key))]
    except EtleError as error:
        yield problem("signing key of this box", str(error))
        return
    if site.ingest.boxes and not mine:
        yield problem(
            "signing key of this box",
            f"{key} belongs to none of ingest.boxes: detect would set every frame aside. `etle keys ingest` says what to write there",
        )
    else:
        yield ok(
            "signing key of this box",
            f"{key}, fingerprint {signer.fingerprint[:16]}..., " + (f"box {mine[0]}" if mine else "not asked for"),
        )


def check_known_keys(site: Site) -> Iterator[CheckResult]:
    """The boxes' public keys, as detect reads them."""
    from etle.signing import frame_verifier

    if not site.ingest.boxes:
        yield note("signatures", "ingest.boxes is empty: frames are taken from whoever can write to Kafka")
        return
    yield looked("signatures", lambda: f"{len(site.ingest.boxes)} boxes known" if frame_verifier(site.ingest) else "")
    known = {camera.id for camera in site.cameras}
    for box in site.ingest.boxes:
        strangers = [camera for camera in box.cameras if camera not in known]
        if strangers:
            yield problem(f"box {box.id}", f"it may speak for {strangers[0]!r}, which is no camera of this site")


def check_manifest_key(site: Site) -> Iterator[CheckResult]:
    """The writer's: without it no manifest can be signed."""
    from etle.signing import Signer

    key = site.store.signing_key
    if key is None or not key.exists():
        yield note(
            "signing key of the manifests",
            f"{key or 'keys/manifest.pem in the data folder'}: is made at the first start if it is not there",
        )
        return
    yield looked("signing key of the manifests", lambda: f"{key}, fingerprint {Signer.read(key).fingerprint[:16]}...")


def check_vendors(site: Site) -> Iterator[CheckResult]:
    from ingest.push_api.auth import Authenticator

    if not site.ingest.vendors:
        return
    yield looked(
        "vendors", lambda: f"{len(site.ingest.vendors)} with secrets" if Authenticator(site.ingest.vendors, time.monotonic) else ""
    )
    used = {camera.source.vendor for camera in site.cameras}
    for vendor in site.ingest.vendors:
        if vendor.id not in used:
            yield note(f"vendor {vendor.id}", "no camera has it as its source: it can push nothing")
