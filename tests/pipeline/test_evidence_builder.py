"""Which pictures of a violation are chosen, and its id."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from scenario import second, track

from etle.types import CameraId, Digest, EvidenceRole, Finding, Frame, RuleName, TrackId, VehicleClass
from pipeline.evidence.builder import choose_pictures, violation_id
from pipeline.frames.buffer import FrameBuffer

ROWS = [(n / 10, 40 + n / 5) for n in range(60)]


def frame(number: int) -> Frame:
    return Frame(
        camera=CameraId("cam-1"),
        sequence=number,
        captured_at=second(number / 10),
        received_at=second(number / 10),
        clock_error_s=None,
        width=1000,
        height=1000,
        sha256=Digest("0" * 64),
        jpeg=b"",
    )


def buffer(numbers, keep_s=60.0):
    made = FrameBuffer(keep_s)
    for number in numbers:
        made.add(frame(number))
    return made


def chosen_roles(frames, rows=ROWS, at_s=2.53, found_s=3.4):
    chosen = choose_pictures(track(rows), second(at_s), second(found_s), frames)
    return None if chosen is None else [(role.value, sighting.sequence) for role, sighting in chosen]


def test_the_pictures_are_one_second_before_the_nearest_frame_and_when_it_was_reported():
    assert chosen_roles(buffer(range(60))) == [("before", 15), ("at", 25), ("after", 35)]


def test_the_last_picture_is_the_frame_in_which_the_rule_reported_it():
    assert chosen_roles(buffer(range(60)), found_s=5.5)[-1] == ("after", 55)


def test_only_frames_in_which_the_vehicle_was_detected_are_chosen():
    hidden = [row for row in ROWS if not 1.0 <= row[0] <= 2.0]
    assert chosen_roles(buffer(range(60)), hidden)[0] == ("before", 21)


def test_missing_frames_are_not_chosen():
    assert chosen_roles(buffer(number for number in range(60) if number not in (25, 15)))[:2] == [("before", 16), ("at", 26)]


def test_without_a_later_sighting_there_is_no_picture_after_the_moment():
    assert [role for role, _ in chosen_roles(buffer(range(60)), ROWS[:27])] == [EvidenceRole.BEFORE, EvidenceRole.AT, EvidenceRole.AFTER]
    assert [role for role, _ in chosen_roles(buffer(range(60)), ROWS[:26])] == [EvidenceRole.BEFORE, EvidenceRole.AT]


def test_without_frames_around_the_moment_nothing_is_chosen():
    assert chosen_roles(buffer(range(40, 60))) is None
    assert chosen_roles(buffer([])) is None


def test_the_buffer_drops_frames_that_are_too_old_unless_they_are_needed():
    made = buffer(range(30), keep_s=1.0)
    assert made.oldest is not None and made.oldest.sequence == 19
    made = FrameBuffer(1.0)
    for number in range(30):
        made.add(frame(number), needed_from=second(0.5))
    assert made.oldest is not None and made.oldest.sequence == 5


def test_ids_depend_on_site_camera_rule_first_frame_and_moment_only():
    def finding(**changes):
        given = {"rule": RuleName("red_light"), "track": TrackId("7-0"), "first_sequence": 7, "vehicle": VehicleClass.CAR}
        return Finding(**{**given, "occurred_at": datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "measured": (), **changes})

    same = violation_id("demo", "masuk", finding())
    assert same == violation_id("demo", "masuk", finding(track=TrackId("other"), vehicle=VehicleClass.BUS))
    others = {
        violation_id("demo", "keluar", finding()),
        violation_id("else", "masuk", finding()),
        violation_id("demo", "masuk", finding(first_sequence=8)),
        violation_id("demo", "masuk", finding(rule=RuleName("stop_line"))),
        violation_id("demo", "masuk", finding(occurred_at=datetime(2026, 11, 23, 3, 0, 0, 1, tzinfo=UTC))),
    }
    assert len({same, *others}) == 6
    assert same == UUID("fae071d6-a55c-5454-a2d4-3fe4b2680c17"), "a change would give every stored violation another id"


@pytest.mark.parametrize("sequence", [0, 59])
def test_the_buffer_returns_a_frame_by_its_sequence(sequence):
    assert buffer(range(60)).get(sequence) is not None
