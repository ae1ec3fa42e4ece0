"""Which pictures tell the story of a violation."""

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


def ring(numbers, keep_s=60.0):
    made = FrameBuffer(keep_s)
    for number in numbers:
        made.add(frame(number))
    return made


def story(frames, rows=ROWS, at_s=2.53, found_s=3.4):
    chosen = choose_pictures(track(rows), second(at_s), second(found_s), frames)
    return None if chosen is None else [(role.value, sighting.sequence) for role, sighting in chosen]


def test_a_second_before_the_nearest_frame_and_where_it_was_complete():
    assert story(ring(range(60))) == [("before", 15), ("at", 25), ("after", 35)]


def test_a_story_that_takes_longer_ends_with_its_proof():
    assert story(ring(range(60)), found_s=5.5)[-1] == ("after", 55)


def test_only_frames_in_which_the_vehicle_was_seen_are_shown():
    hidden = [row for row in ROWS if not 1.0 <= row[0] <= 2.0]
    assert story(ring(range(60)), hidden)[0] == ("before", 21)


def test_frames_that_never_came_are_not_shown():
    assert story(ring(number for number in range(60) if number not in (25, 15)))[:2] == [("before", 16), ("at", 26)]


def test_without_a_later_sighting_the_story_ends_with_the_moment():
    assert [role for role, _ in story(ring(range(60)), ROWS[:27])] == [EvidenceRole.BEFORE, EvidenceRole.AT, EvidenceRole.AFTER]
    assert [role for role, _ in story(ring(range(60)), ROWS[:26])] == [EvidenceRole.BEFORE, EvidenceRole.AT]


def test_without_frames_of_the_moment_there_is_no_story():
    assert story(ring(range(40, 60))) is None
    assert story(ring([])) is None


def test_the_ring_forgets_what_is_older_than_it_keeps_unless_it_is_needed():
    made = ring(range(30), keep_s=1.0)
    assert made.oldest is not None and made.oldest.sequence == 19
    made = FrameBuffer(1.0)
    for number in range(30):
        made.add(frame(number), needed_from=second(0.5))
    assert made.oldest is not None and made.oldest.sequence == 5


def test_ids_depend_on_site_camera_rule_first_frame_and_moment_alone():
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
    assert same == UUID("fae071d6-a55c-5454-a2d4-3fe4b2680c17"), "the ids of all violations so far hang on this"


@pytest.mark.parametrize("sequence", [0, 59])
def test_the_ring_gives_a_frame_by_its_number(sequence):
    assert ring(range(60)).get(sequence) is not None
