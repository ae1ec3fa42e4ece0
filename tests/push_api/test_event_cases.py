"""Events of registered devices become violations: proof with a valid certificate, else a lead; what is wrong is refused by name."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from device_fixture import CAMERA, CERTIFICATE, RADAR, SCALE, Device
from push_fixture import EVENTS, VIOLATIONS, InProcessApi

from etle.config.deployment import VendorSettings
from etle.config.instruments import CertificateState, Instrument, InstrumentCertificate, InstrumentRule
from etle.errors import ConfigError
from etle.signing import is_signed_by
from etle.types import Certainty, EvidenceRole, ViolationMessage, digest_of
from etle.wire import violation_message_from_wire
from ingest.push_api.event_case import EVENT_CONTEXT
from ingest.push_api.picture_store import KEPT


@pytest.fixture
def device(push_api: InProcessApi) -> Iterator[Device]:
    yield Device(push_api)


def violations(device: Device) -> list[ViolationMessage]:
    return [violation_message_from_wire(message.value) for message in device.api.broker.messages(VIOLATIONS)]


def facts(message: ViolationMessage) -> dict[str, str]:
    return dict(message.violation.facts)


class TestACase:
    def test_a_certified_radar_proves_a_speed(self, device: Device) -> None:
        assert device.picture("1").status == 201
        reply = device.push(device.event("1"))
        (message,) = violations(device)
        violation = message.violation
        assert (reply.status, reply.body["case"]) == (201, str(violation.id))
        assert (violation.rule, violation.article.offence, violation.camera, violation.marks) == ("speed", "SPEED", "utara", ())
        assert [(each.name, each.value, each.unit, each.uncertainty) for each in violation.measured] == [("speed", 83.0, "km/h", 0.5)]
        assert facts(message) == {
            "device": "Acme Radar 9, RS-0017, 2.4",
            "vendor": "acme",
            "certificate": "KAL-2026-118",
            "certificate_authority": "Direktorat Metrologi",
            "certificate_valid": "2026-01-01 – 2026-12-31",
            "certificate_state": "valid",
            "device_limit": "60 km/h",
            "tolerance": "3 km/h",
        }
        (shown,) = violation.pictures
        assert (shown.role, shown.width, shown.height, shown.sha256) == (EvidenceRole.AT, 640, 360, digest_of(device.jpeg("1")))
        assert shown.plate_box == (200, 250, 300, 280)
        assert (violation.plate.text, violation.plate.certainty, violation.plate.probability) == ("B1234XYZ", Certainty.CHECK, 0.9)

    def test_the_evidence_has_the_event_as_the_device_signed_it(self, device: Device) -> None:
        device.picture("1")
        device.push(device.event("1"))
        files = {file.suffix: file.data for file in violations(device)[0].files}
        assert files[".jpg"] == device.jpeg("1")
        assert json.loads(files[".json"])["id"] == "1"
        assert is_signed_by(device.signer.public_key, EVENT_CONTEXT + files[".json"], bytes.fromhex(files[".sig"].decode()))

    def test_the_event_is_published_for_comparison_too(self, device: Device) -> None:
        device.picture("1")
        device.push(device.event("1"))
        assert [json.loads(message.value)["id"] for message in device.api.broker.messages(EVENTS)] == ["1"]

    def test_an_event_that_is_pushed_twice_is_one_case(self, device: Device) -> None:
        device.picture("1")
        event = device.event("1")
        assert [device.push(event).status for _ in range(3)] == [201, 200, 200]
        assert len(violations(device)) == 1

    def test_an_event_of_which_the_server_lost_its_record_has_the_same_id(self, device: Device) -> None:
        """The writer knows it by that, as it knows a violation that a detect worker found again."""
        device.picture("1")
        event = device.event("1")
        device.push(event)
        device.api.open(device.site)
        for record in device.api.folder.glob("accepted.sqlite*"):
            record.unlink()
        device.api.open(device.site)
        assert device.push(event).status == 201
        first, second = violations(device)
        assert first == second

    def test_other_bytes_under_the_id_of_a_case_are_refused(self, device: Device) -> None:
        device.picture("1")
        device.push(device.event("1"))
        reply = device.push(device.event("1", vehicle="truck"))
        assert (reply.status, reply.body["error"]["code"]) == (409, "reused")
        assert len(violations(device)) == 1

    def test_a_scale_compares_with_the_weight_that_is_allowed_for_the_vehicle(self, device: Device) -> None:
        device.picture("w")
        weights = [
            {"name": "gross_weight", "value": 9000.0, "unit": "kg", "uncertainty": 100.0},
            {"name": "allowed_weight", "value": 8000.0, "unit": "kg"},
        ]
        event = device.event("w", kind="overload", device=device.device(SCALE), vehicle="truck", measured=weights)
        assert device.push(event).status == 201
        assert (facts(violations(device)[0])["device_limit"], facts(violations(device)[0])["tolerance"]) == ("8000 kg", "500 kg")
        device.picture("w2")
        weights[0]["value"] = 8700.0
        assert device.push({**event, "id": "w2", "measured": weights}).body["error"]["code"] == "below_limit"

    @pytest.mark.parametrize("kind", ["seat_belt", "phone"])
    def test_a_camera_needs_no_measurement(self, device: Device, kind: str) -> None:
        device.picture("b")
        assert device.push(device.event("b", kind=kind, device=device.device(CAMERA), measured=[])).status == 201
        (message,) = violations(device)
        assert message.violation.measured == () and message.violation.marks == () and "device_limit" not in facts(message)

    def test_pictures_are_in_the_order_of_their_times(self, device: Device) -> None:
        now = device.api.clock.now()
        names = {"after": now + timedelta(seconds=1), "at": now, "before": now - timedelta(seconds=1)}
        for role in names:
            device.picture(role)
        shown = [device.shown(role, role, captured_at=at.isoformat()) for role, at in names.items()]
        device.api.clock.advance(2)
        event = device.event("1", pictures=shown, occurred_at=now.isoformat())
        assert device.push(event).status == 201
        assert [each.role.value for each in violations(device)[0].violation.pictures] == ["before", "at", "after"]

    def test_a_plate_that_was_not_read_is_unreadable(self, device: Device) -> None:
        device.picture("1")
        assert device.push(device.event("1", plate=None)).status == 201
        assert (violations(device)[0].violation.plate.text, violations(device)[0].violation.plate.certainty) == (None, Certainty.UNREADABLE)

    def test_an_event_of_another_kind_without_pictures_is_stored_for_comparison_only(self, device: Device) -> None:
        for event in (device.event("1", kind="red_light", pictures=[]), device.event("2", device=device.device("unknown"), pictures=[])):
            reply = device.push(event, signature="")
            assert reply.status == 201 and "case" not in reply.body
        assert violations(device) == [] and len(device.api.broker.messages(EVENTS)) == 2


EXPIRED = CERTIFICATE.model_copy(update={"number": "OLD", "valid_from": date(2025, 1, 1), "valid_to": date(2025, 12, 31)})
COMING = CERTIFICATE.model_copy(update={"number": "NEW", "valid_from": date(2027, 1, 1), "valid_to": date(2027, 12, 31)})


@pytest.mark.parametrize(
    ("certificates", "named", "state", "number"),
    [
        pytest.param((), None, "none", None, id="none"),
        pytest.param((EXPIRED,), None, "expired", "OLD", id="expired"),
        pytest.param((COMING,), None, "not_yet_valid", "NEW", id="not yet valid"),
        pytest.param((EXPIRED, COMING), None, "expired", "OLD", id="between two"),
        pytest.param((EXPIRED, CERTIFICATE), "OLD", "other_number", CERTIFICATE.number, id="the event names the expired one"),
    ],
)
def test_without_a_valid_certificate_the_case_is_a_lead(
    push_api: InProcessApi, certificates: tuple[InstrumentCertificate, ...], named: str | None, state: str, number: str | None
) -> None:
    device = Device(push_api, certificates=certificates)
    device.picture("1")
    assert device.push(device.event("1", device=device.device(RADAR, **({"certificate": named} if named else {})))).status == 201
    (message,) = violations(device)
    assert message.violation.marks == ("lead",)
    assert (facts(message)["certificate_state"], facts(message).get("certificate")) == (state, number)
    assert facts(message)["tolerance"] == "2 km/h", "the tolerance of a certificate that does not hold does not count"


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2025, 12, 31), CertificateState.NOT_YET_VALID),
        (date(2026, 1, 1), CertificateState.VALID),
        (date(2026, 12, 31), CertificateState.VALID),
        (date(2027, 1, 1), CertificateState.EXPIRED),
    ],
)
def test_both_days_of_a_certificate_are_included(push_api: InProcessApi, day: date, state: CertificateState) -> None:
    instrument = Device(push_api).site.ingest.vendors[0].instruments[0]
    assert instrument.certificate(day) == (CERTIFICATE, state)


def test_the_day_is_that_of_the_place(push_api: InProcessApi) -> None:
    """23 November, 10:00 in Jakarta; a certificate from the 24th on does not hold at 23:59 there, and holds at 00:00."""
    device = Device(push_api, certificates=(CERTIFICATE.model_copy(update={"valid_from": date(2026, 11, 24)}),))
    for number, occurred_at in enumerate(("2026-11-23T16:59:59+00:00", "2026-11-23T17:00:00+00:00")):
        push_api.clock.advance(16 * 3600)
        device.picture(str(number))
        moment = {"occurred_at": occurred_at, "pictures": [device.shown(str(number), captured_at=occurred_at)]}
        assert device.push(device.event(str(number), **moment)).status == 201
    assert [message.violation.marks for message in violations(device)] == [("lead",), ()]


def at_speed(value: float, unit: str = "km/h", uncertainty: float | None = None) -> dict[str, Any]:
    return {"measured": [{"name": "speed", "value": value, "unit": unit, "uncertainty": uncertainty}]}


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        pytest.param(
            {"device": {"model": "x", "serial": "9", "firmware": "1"}}, 404, "unknown_device", "device.serial", id="unknown device"
        ),
        pytest.param({"camera": "selatan"}, 404, "unknown_camera", "camera", id="a camera that it is not registered for"),
        pytest.param({"camera": "barat"}, 404, "unknown_camera", "camera", id="another vendor's camera"),
        pytest.param({"kind": "red_light"}, 400, "bad_body", "kind", id="a kind that it is not registered for"),
        pytest.param({"vehicle": None}, 400, "bad_body", "vehicle", id="no class of vehicle"),
        pytest.param({"pictures": []}, 422, "missing_picture", "pictures", id="no picture"),
        pytest.param({"measured": []}, 422, "not_measured", "measured", id="no measurement"),
        pytest.param(at_speed(23, "m/s"), 422, "not_measured", "measured", id="another unit"),
        pytest.param(at_speed(63), 422, "below_limit", "measured", id="at limit and tolerance"),
        pytest.param(at_speed(64, uncertainty=0.5), 422, "below_limit", "measured", id="within its interval"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_nothing_is_published(
    device: Device, changed: dict[str, Any], status: int, code: str, field: str
) -> None:
    device.picture("1")
    reply = device.push(device.event("1", **changed))
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["field"]) == (status, code, field)
    assert device.api.broker.messages(VIOLATIONS) == device.api.broker.messages(EVENTS) == []
    assert device.push(device.event("1")).status == 201, "the same id is accepted once it is right"


@pytest.mark.parametrize("signature", ["", "00" * 64, "xyz", "é"])
def test_a_wrong_signature_is_refused(device: Device, signature: str) -> None:
    device.picture("1")
    reply = device.push(device.event("1"), signature=signature)
    assert (reply.status, reply.body["error"]["code"]) == (422, "wrong_signature")
    assert violations(device) == []


def test_a_device_that_was_offline_for_an_hour_sends_the_same_bytes(device: Device) -> None:
    device.picture("1")
    event = device.event("1")
    device.api.clock.advance(3600)
    reply = device.push(event)
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["field"]) == (422, "wrong_clock", "sent_at")
    now = device.api.clock.now()
    reply = device.push(event, sent_at=(now - timedelta(seconds=60)).isoformat())
    assert (reply.body["error"]["code"], reply.body["error"]["field"]) == ("wrong_clock", "Etle-Sent-At")
    assert device.push(event, sent_at="yesterday").body["error"]["code"] == "bad_header"
    assert device.push(event, sent_at=now.isoformat()).status == 201


def test_a_signature_of_other_bytes_is_refused(device: Device) -> None:
    device.picture("1")
    other = json.dumps(device.event("2")).encode()
    for signed in (other, EVENT_CONTEXT + other, json.dumps(device.event("1")).encode()):
        assert device.push(device.event("1"), signature=device.signer.sign(signed).hex()).status == 422


class TestPictures:
    def test_a_picture_is_stored_once_and_survives_a_restart(self, device: Device) -> None:
        assert [device.picture("1").status for _ in range(2)] == [201, 200]
        device.api.open(device.site)
        assert device.picture("1").status == 200
        assert device.push(device.event("1")).status == 201

    def test_the_event_is_accepted_once_its_picture_has_come(self, device: Device) -> None:
        event = device.event("1")
        reply = device.push(event)
        assert (reply.status, reply.body["error"]["code"]) == (422, "missing_picture")
        assert digest_of(device.jpeg("1")) in reply.body["error"]["message"]
        device.picture("1")
        assert device.push(event).status == 201

    @pytest.mark.parametrize(
        ("shown", "code"),
        [
            pytest.param([{"role": "before"}], "missing_picture", id="none of the moment"),
            pytest.param([{}, {}], "bad_body", id="two of one role"),
            pytest.param([{"captured_at": "2026-11-23T02:58:59+00:00"}], "bad_body", id="more than a minute before"),
            pytest.param([{"plate_box": [0, 0, 641, 10]}], "bad_body", id="a box beyond the picture"),
            pytest.param([{"plate_box": [10, 0, 10, 10]}], "bad_body", id="a box without width"),
            pytest.param([{"sha256": "0"}], "bad_body", id="no digest"),
            pytest.param([{"role": "front"}], "bad_body", id="an unknown role"),
            pytest.param([{"box": [0, 0, 1, 1]}], "bad_body", id="an unknown key"),
        ],
    )
    def test_pictures_that_show_no_event_are_refused(self, device: Device, shown: list[dict[str, Any]], code: str) -> None:
        device.picture("1")
        reply = device.push(device.event("1", pictures=[device.shown("1", **({"role": "at"} | each)) for each in shown]))
        assert reply.body["error"]["code"] == code and violations(device) == []

    def test_another_vendor_s_picture_is_missing(self, device: Device) -> None:
        request = device.picture_request(device.jpeg("1"), "barat", Authorization="Bearer the secret of another vendor")
        assert device.api.send(request).status == 201
        assert device.push(device.event("1")).body["error"]["code"] == "missing_picture"

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            pytest.param({"Etle-SHA256": "0" * 64}, 422, "wrong_digest", id="another digest"),
            pytest.param({"Etle-SHA256": "0"}, 400, "bad_header", id="no digest"),
            pytest.param({"Etle-Camera": "barat"}, 404, "unknown_camera", id="another vendor's camera"),
            pytest.param({"Content-Type": "image/png"}, 415, "wrong_type", id="another type"),
            pytest.param({"Authorization": "Bearer x"}, 401, "not_signed_in", id="no secret"),
        ],
    )
    def test_a_wrong_request(self, device: Device, changed: dict[str, str], status: int, code: str) -> None:
        reply = device.picture("1", **changed)
        assert (reply.status, reply.body["error"]["code"]) == (status, code)

    def test_bytes_that_are_no_picture_are_refused(self, device: Device) -> None:
        for data in (b"", b"no picture", device.jpeg("1")[:-20], device.jpeg("1") + b"more"):
            assert device.api.send(device.picture_request(data)).body["error"]["code"] == "broken_picture"

    def test_without_room_nothing_is_dropped(self, push_api: InProcessApi) -> None:
        device = Device(push_api)
        acme, *others = device.site.ingest.vendors
        small = VendorSettings(**(acme.model_dump() | {"pictures_mb": 1}))
        push_api.open(device.site.model_copy(update={"ingest": device.site.ingest.model_copy(update={"vendors": (small, *others)})}))
        names = [f"{number:060000}" for number in range(20)]
        replies = [device.picture(name) for name in names]
        room = 1_000_000 // len(device.jpeg(names[0]))
        assert [each.status for each in replies] == [201] * room + [503] * (20 - room) and room > 10
        assert replies[-1].body["error"]["code"] == "busy"
        assert device.push(device.event("1", pictures=[device.shown(names[0])])).status == 201
        push_api.clock.advance(KEPT.total_seconds() + 1)
        assert device.picture(names[-1]).status == 201, "pictures of last week made room"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"cameras": ("barat",)}, "'barat' is no camera that the vendor 'acme' pushes", id="another vendor's camera"),
        pytest.param({"cameras": ("timur",)}, "'timur' is no camera that the vendor 'acme' pushes", id="an unknown camera"),
        pytest.param({"rules": (InstrumentRule(rule="racing"),)}, "there is no rule 'racing'; there are: red_light", id="an unknown rule"),
    ],
)
def test_a_device_that_is_registered_wrongly_is_named_at_the_start(push_api: InProcessApi, changed: dict[str, Any], message: str) -> None:
    device = Device(push_api)
    acme, *others = device.site.ingest.vendors
    wrong_device = Instrument(**(acme.instruments[0].model_dump() | changed))
    vendors = (VendorSettings(**(acme.model_dump() | {"instruments": (wrong_device,)})), *others)
    with pytest.raises(ConfigError, match=message):
        push_api.open(device.site.model_copy(update={"ingest": device.site.ingest.model_copy(update={"vendors": vendors})}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"rule": "speed", "unit": "km/h"}, "are those of a `quantity`"),
        ({"rule": "speed", "quantity": "speed"}, "needs its `unit`"),
        ({"rule": "speed", "quantity": "speed", "unit": "km/h"}, "either `limit` or `limit_from`"),
        ({"rule": "speed", "quantity": "speed", "unit": "km/h", "limit": 60, "limit_from": "limit"}, "either `limit` or `limit_from`"),
    ],
)
def test_a_rule_of_a_device_is_complete(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InstrumentRule.model_validate(document)
