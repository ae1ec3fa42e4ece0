"""Frames and violation messages on the wire: they are read back unchanged, and everything else raises WireError."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.errors import WireError
from etle.testing import a_frame, a_violation_message
from etle.types import CameraId
from etle.wire import (
    frame_from_wire,
    frame_to_wire,
    violation_from_json,
    violation_message_from_wire,
    violation_message_to_wire,
    violation_to_json,
)

MESSAGE = violation_message_to_wire(a_violation_message())
HEADERS, JPEG = frame_to_wire(a_frame(7))


def test_a_violation_message_is_read_back_unchanged():
    assert violation_message_from_wire(MESSAGE) == a_violation_message()
    assert violation_from_json(violation_to_json(a_violation_message().violation)) == a_violation_message().violation


@given(st.integers(0, 10**15), st.text("abc-0_é ", min_size=1), st.none() | st.floats(-1e6, 1e6))
def test_a_frame_is_read_back_unchanged(sequence, camera, error):
    frame = replace(a_frame(), sequence=sequence, camera=CameraId(camera), clock_error_s=error)
    assert frame_from_wire(*frame_to_wire(frame)) == frame


@pytest.mark.parametrize("error", [0.0001351072438492466, -1.2345678901234567e-05, 5e-324])
def test_a_small_clock_error_is_read_back_with_all_its_digits(error):
    frame = replace(a_frame(), clock_error_s=error)
    assert frame_from_wire(*frame_to_wire(frame)).clock_error_s == error


def test_the_signature_of_a_frame_is_checked():
    headers, value = frame_to_wire(a_frame(), sign=lambda part: b"signed " + part[:9])
    assert frame_from_wire(headers, value, verify=lambda camera, part, signature: signature == b"signed " + part[:9]) == a_frame()
    with pytest.raises(WireError, match="signature is not valid"):
        frame_from_wire(headers, value, verify=lambda camera, part, signature: False)
    with pytest.raises(WireError, match="no signature"):
        frame_from_wire(HEADERS, JPEG, verify=lambda camera, part, signature: True)


def test_a_replaced_jpeg_is_detected():
    with pytest.raises(WireError, match="another digest"):
        frame_from_wire(HEADERS, JPEG + b"x")


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_a_missing_header_is_named(name):
    with pytest.raises(WireError, match=name):
        frame_from_wire([(key, value) for key, value in HEADERS if key != name], JPEG)


def test_a_time_that_is_not_in_utc_is_not_sent():
    local = a_frame().captured_at.astimezone(timezone(timedelta(hours=7)))
    with pytest.raises(WireError, match="not in UTC"):
        frame_to_wire(replace(a_frame(), captured_at=local))


@pytest.mark.slow
@settings(max_examples=700, deadline=None)
@given(st.integers(0, len(MESSAGE) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_a_mutated_violation_message_is_read_or_raises_wire_error(place, written, removed):
    mutated = MESSAGE[:place] + written + MESSAGE[place + removed :]
    try:
        violation_message_from_wire(mutated)
    except WireError as error:
        assert str(error)


@settings(max_examples=700, deadline=None)
@given(st.integers(0, len(HEADERS) - 1), st.binary(max_size=40))
def test_a_mutated_header_is_read_or_raises_wire_error(place, written):
    mutated = [(name, written if number == place else value) for number, (name, value) in enumerate(HEADERS)]
    try:
        frame_from_wire(mutated, JPEG)
    except WireError as error:
        assert str(error).startswith("frame")


def test_a_violation_stored_before_contrast_was_measured_can_be_read():
    stored = violation_to_json(a_violation_message().violation)
    older = stored.replace('"contrast":120.0,', "")
    assert older != stored
    [sighting] = violation_from_json(older).plate.sightings
    assert sighting.contrast is None
