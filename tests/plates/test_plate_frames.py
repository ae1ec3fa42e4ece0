"""Selection of the frames of a track in which the plate is searched."""

from datetime import UTC, datetime, timedelta

import pytest

from etle.types import Box, Sighting, Track, TrackId, VehicleClass
from pipeline.plates.frame_selection import select_frames

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
W, H = 1920, 1080


def track(*rows: tuple[float, float, float, float]) -> Track:
    """Rows are (second, left edge, upper edge, size in px)."""
    return Track(
        id=TrackId("t"),
        sightings=tuple(
            Sighting(
                sequence=i,
                captured_at=AT + timedelta(seconds=second),
                box=Box(x, y, x + size, y + size),
                vehicle=VehicleClass.CAR,
                score=0.9,
            )
            for i, (second, x, y, size) in enumerate(rows)
        ),
    )


@pytest.mark.parametrize(
    ("rows", "limit", "expected"),
    [
        pytest.param([(0, 100, 100, 100)], 3, [0], id="one sighting is read"),
        pytest.param([(0, 100, 100, 60), (1, 100, 100, 200), (2, 100, 100, 190)], 2, [1, 2], id="the large boxes"),
        pytest.param([(0, 100, 100, 60), (1, 100, 100, 200)], 2, [1], id="a distant one is not selected, even below the limit"),
        pytest.param([(0, 0, 100, 210), (1, 100, 100, 200), (2, 200, 100, 190)], 2, [1, 2], id="not the one at the left border"),
        pytest.param([(0, 100, 500, 200), (1, 100, 600, 210), (2, 100, 860, 220)], 2, [0, 1], id="not the one at the lower border"),
        pytest.param([(0, 0, 100, 300), (1, 0, 100, 290)], 2, [0, 1], id="boxes at the border if there are no others"),
        pytest.param(
            [(0, 100, 100, 200), (0.1, 101, 100, 201), (0.2, 102, 100, 202), (2, 130, 100, 198), (4, 160, 100, 196)],
            3,
            [2, 3, 4],
            id="spread in time, not the three next to the best",
        ),
        pytest.param([(0, 100, 100, 200), (0.1, 100, 100, 201)], 5, [0, 1], id="fewer than the limit: all"),
        pytest.param(
            [(0, 100, 100, 190), (1, 300, 100, 200), (2, 300, 101, 200), (3, 301, 100, 200), (4, 300, 100, 201)],
            5,
            [0, 1, 4],
            id="two frames of one view of a standing vehicle",
        ),
    ],
)
def test_frames_worth_reading(rows: list[tuple[float, float, float, float]], limit: int, expected: list[int]) -> None:
    chosen = select_frames(track(*rows), limit, frame_width=W, frame_height=H)
    assert [s.sequence for s in chosen] == expected
