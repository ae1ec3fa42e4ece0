"""Checks of a site file that loads: rules and geometry, law, weights, keys, secrets."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from etle.config.instruments import CertificateState
from etle.config.site import CameraSettings, Site
from etle.errors import ConfigError, EtleError, WeightsMissing
from etle.types import RuleName
from etle_cli.check.result import CheckResult, note, ok, problem, run_check
from etle_cli.commands.ingest import device_key
from etle_cli.options.law import open_law
from pipeline.assembly import needed_weights, rule_weights, shipped_law

_CERTIFICATE_DAYS: Final = 30
_DEVICE_KEY: Final = "signing key of this device"


def check_rules(site: Site) -> Iterator[CheckResult]:
    """Builds each camera's rules as the detect stage does, and looks up today's article for each, and the deadlines of the Polda."""
    yield run_check("deadlines", lambda: _deadlines(site))
    for camera in site.cameras:
        yield run_check(f"rules of {camera.id}", lambda camera=camera: _built(site, camera))  # type: ignore[misc]  # binds the loop variable
        if camera.reference is not None and not camera.reference.is_file():
            yield problem(f"reference of {camera.id}", f"{camera.reference} does not exist: copy it with the site file, or remove the key")
        if camera.rules and not camera.ground_points:
            yield note(f"calibration of {camera.id}", "no ground_points: distances are in pixels, and speed is not measured")


def _built(site: Site, camera: CameraSettings) -> str:
    from pipeline.rules import build_rules
    from pipeline.scene.calibration import calibrate

    rules = build_rules(camera, calibrate(camera))
    if not rules:
        return "none: frames are processed but no violation can be found"
    law, today = shipped_law(), datetime.now(UTC)
    articles = [f"{entry.rule} ({law.article(RuleName(entry.rule), today, site.timezone).article})" for entry in camera.rules]
    return ", ".join(articles)


def _deadlines(site: Site) -> str:
    """Raises ConfigError if the site names a Polda that the law files do not have: its cases would get the deadlines of all others."""
    table = open_law().deadline_table
    named = sorted(polda for polda in table.poldas if polda)
    if site.polda is not None and site.polda not in table.poldas:
        raise ConfigError(
            f"polda {site.polda!r} has no deadlines; there are those of: {', '.join(named) or 'none'}. Remove `polda` for those of every "
            "other Polda, or give its own in a file and name that in ETLE_DEADLINES"
        )
    deadlines, zone = table.deadlines(site.polda, datetime.now(UTC), site.timezone), ZoneInfo(site.timezone)
    ends = ", ".join(f"{each.step} {(each.ends_at - timedelta(microseconds=1)).astimezone(zone):%d/%m/%Y}" for each in deadlines)
    return f"{table.poldas[site.polda].name}: of a violation of today, the last days are {ends}"


def check_weights(site: Site) -> Iterator[CheckResult]:
    from models.weights.locate import weight

    try:
        needed = needed_weights(site.detect)
    except ConfigError as error:  # an unknown engine or reader
        yield problem("detect", str(error))
        return
    for name in dict.fromkeys((*needed, *rule_weights(site))):
        yield run_check(f"weights {name}", lambda name=name: f"{weight(name)}, digest verified")  # type: ignore[misc]
    for key, named in _named_weights(site):
        yield run_check(key, lambda named=named: f"{_existing(named)}")  # type: ignore[misc]


def _named_weights(site: Site) -> Iterator[tuple[str, Path]]:
    """Keys of the site file that name weights, and what they name."""
    sections = {"detect": site.detect, **({"detect.shadow": site.detect.shadow} if site.detect.shadow else {})}
    for section, settings in sections.items():
        for key in ("weights", "finder_weights", "reader_weights", "lamp_weights"):
            named = getattr(settings, key, None)
            if named is not None:
                yield f"{section}.{key}", named


def _existing(named: Path) -> Path:
    """Raises WeightsMissing, WeightsError."""
    from models.weights.locate import weights_file

    path = weights_file(named)
    if not path.exists():
        raise WeightsMissing(f"{path} does not exist")
    return path


def check_device_key(site: Site, data: Path) -> Iterator[CheckResult]:
    """The private signing key of this edge device, and whether the site file lists its public key."""
    from etle.signing import Signer, read_public_key

    key = device_key(site.ingest, data)
    if not key.exists():
        yield note(
            _DEVICE_KEY, f"{key} does not exist yet: `etle ingest` generates it; `etle keys ingest` prints the entry for the site file"
        )
        return
    try:
        signer = Signer.read(key)
        matching = [device.id for device in site.ingest.devices if signer.matches(read_public_key(device.public_key))]
    except EtleError as error:
        yield problem(_DEVICE_KEY, str(error))
        return
    if site.ingest.devices and not matching:
        yield problem(
            _DEVICE_KEY,
            f"{key} matches none of ingest.devices: detect would reject every frame. `etle keys ingest` prints the entry to add",
        )
    else:
        yield ok(
            _DEVICE_KEY,
            f"{key}, fingerprint {signer.fingerprint[:16]}..., " + (f"device {matching[0]}" if matching else "signatures are not required"),
        )


def check_known_keys(site: Site) -> Iterator[CheckResult]:
    """The public keys of the edge devices, read as the detect stage reads them."""
    from etle.signing import frame_verifier

    if not site.ingest.devices:
        yield note("signatures", "ingest.devices is empty: frames are accepted from every client that can write to Kafka")
        return
    yield run_check("signatures", lambda: f"{len(site.ingest.devices)} devices known" if frame_verifier(site.ingest) else "")
    known = {camera.id for camera in site.cameras}
    for device in site.ingest.devices:
        unknown = [camera for camera in device.cameras if camera not in known]
        if unknown:
            yield problem(f"device {device.id}", f"lists camera {unknown[0]!r}, which this site does not have")


def check_manifest_key(site: Site) -> Iterator[CheckResult]:
    """The key with which `etle write` signs manifests."""
    from etle.signing import Signer

    key = site.store.signing_key
    if key is None or not key.exists():
        yield note(
            "signing key of the manifests",
            f"{key or 'keys/manifest.pem in the data folder'}: generated at the first start if there is no evidence yet",
        )
        return
    yield run_check("signing key of the manifests", lambda: f"{key}, fingerprint {Signer.read(key).fingerprint[:16]}...")


def check_vendors(site: Site) -> Iterator[CheckResult]:
    from ingest.push_api.auth import Authenticator

    if not site.ingest.vendors:
        return
    yield run_check(
        "vendors", lambda: f"{len(site.ingest.vendors)} with secrets" if Authenticator(site.ingest.vendors, time.monotonic) else ""
    )
    used = {camera.source.pushed_by for camera in site.cameras}
    for vendor in site.ingest.vendors:
        if vendor.id not in used:
            yield note(f"vendor {vendor.id}", "no camera has it as its source, so it cannot push anything")
    if any(vendor.instruments for vendor in site.ingest.vendors):
        yield run_check("instruments", lambda: _instruments(site))
    today = datetime.now(ZoneInfo(site.timezone)).date()
    for instrument in (each for vendor in site.ingest.vendors for each in vendor.instruments):
        certificate, state = instrument.certificate(today)
        if state is not CertificateState.VALID:
            yield note(
                f"instrument {instrument.serial}", f"its certificate is not valid today ({state}): its events become leads, not proof"
            )
        elif certificate is not None and (left := (certificate.valid_to - today).days) < _CERTIFICATE_DAYS:
            yield note(
                f"instrument {instrument.serial}", f"certificate {certificate.number} ends in {left} days, on {certificate.valid_to}"
            )


def _instruments(site: Site) -> str:
    """Raises ConfigError if a device is registered wrongly."""
    from ingest.push_api.event_case import EventCaseBuilder

    EventCaseBuilder(site, open_law())
    return ", ".join(each.serial for vendor in site.ingest.vendors for each in vendor.instruments)
