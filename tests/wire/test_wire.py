"""Frames and parcels on the wire: they come back as they were, and whatever else arrives is told as WireError."""

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

PARCEL = violation_message_to_wire(a_violation_message())
HEADERS, JPEG = frame_to_wire(a_frame(7))


def test_a_parcel_comes_back_as_it_was():
    assert violation_message_from_wire(PARCEL) == a_violation_message()
    assert violation_from_json(violation_to_json(a_violation_message().violation)) == a_violation_message().violation


@given(st.integers(0, 10**15), st.text("abc-0_é ", min_size=1), st.none() | st.floats(-1e6, 1e6))
def test_a_frame_comes_back_as_it_was(sequence, camera, error):
    frame = replace(a_frame(), sequence=sequence, camera=CameraId(camera), clock_error_s=error)
    assert frame_from_wire(*frame_to_wire(frame)) == frame


def test_a_signed_frame_is_checked():
    headers, value = frame_to_wire(a_frame(), sign=lambda part: b"signed " + part[:9])
    assert frame_from_wire(headers, value, verify=lambda camera, part, signature: signature == b"signed " + part[:9]) == a_frame()
    with pytest.raises(WireError, match="not that of its ingest box"):
        frame_from_wire(headers, value, verify=lambda camera, part, signature: False)
    with pytest.raises(WireError, match="no signature"):
        frame_from_wire(HEADERS, JPEG, verify=lambda camera, part, signature: True)


def test_a_picture_that_was_exchanged_is_found():
    with pytest.raises(WireError, match="another digest"):
        frame_from_wire(HEADERS, JPEG + b"x")


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_every_header_is_needed_and_told_by_name(name):
    with pytest.raises(WireError, match=name):
        frame_from_wire([(key, value) for key, value in HEADERS if key != name], JPEG)


def test_a_moment_in_local_time_does_not_travel():
    local = a_frame().captured_at.astimezone(timezone(timedelta(hours=7)))
    with pytest.raises(WireError, match="not in UTC"):
        frame_to_wire(replace(a_frame(), captured_at=local))


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, len(PARCEL) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_a_mutated_parcel_is_read_or_told(place, written, removed):
    mutated = PARCEL[:place] + written + PARCEL[place + removed :]
    try:
        violation_message_from_wire(mutated)
    except WireError as error:
        assert str(error)


@settings(max_examples=2000, deadline=None)
@given(st.integers(0, len(HEADERS) - 1), st.binary(max_size=40))
def test_a_mutated_header_is_read_or_told(place, written):
    mutated = [(name, written if number == place else value) for number, (name, value) in enumerate(HEADERS)]
    try:
        frame_from_wire(mutated, JPEG)
    except WireError as error:
        assert str(error).startswith("frame")


def test_a_case_from_before_contrast_was_measured_still_opens():
    stored = violation_to_json(a_violation_message().violation)
    older = stored.replace('"contrast":120.0,', "")
    assert older != stored
    [sighting] = violation_from_json(older).plate.sightings
    assert sighting.contrast is None
