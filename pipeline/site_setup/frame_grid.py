"""Draws a labelled pixel grid and the drawings of the site file on a camera's picture, to read off and check positions."""

import math
from typing import TYPE_CHECKING

from etle.config.site import CameraSettings, Lane, Line, Marking, Zone
from etle.errors import FrameBroken, MissingExtra

if TYPE_CHECKING:
    from etle.protocols import LampReader
    from etle.types import Image, LocatedHead

_MIN_WIDTH = 1280
"""Smaller pictures are enlarged, so that single pixels are visible and labels are narrower than a lane."""
_MAX_SCALE = 4
_MIN_STEP = 64
"""Minimum distance between two labelled grid lines in pixels of the drawing."""
_RED, _YELLOW, _GREEN, _BLUE, _WHITE = (60, 60, 255), (0, 220, 255), (80, 220, 80), (255, 160, 60), (255, 255, 255)
_MAGENTA = (255, 90, 230)


def draw_frame_grid(picture: bytes, camera: CameraSettings, lamps: "LampReader | None", suffix: str = "") -> bytes:
    """A JPEG. Grid labels are pixels of the original picture. `suffix` is added to each name. Raises MissingExtra, FrameBroken.

    `lamps` locates the signal heads in the picture; None: their boxes are guesses, and only these are drawn.
    """
    try:
        import cv2
        import numpy as np
    except ImportError as error:
        raise MissingExtra("opencv-python", "detect") from error

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FrameBroken("OpenCV cannot decode this picture")
    drawing = _Drawing(np.asarray(image, np.uint8), suffix)
    drawing.grid()
    for lane in camera.lanes:
        drawing.lane(lane)
    for zone in camera.zones:
        drawing.zone(zone)
    for marking in camera.markings:
        drawing.marking(marking)
    for number, line in enumerate(camera.lines):
        drawing.line(line, (_YELLOW, _BLUE)[number % 2])
    for signal in camera.signals:
        for box in signal.boxes:
            drawing.box(box, f"signal {signal.id}")
            if lamps is not None:
                drawing.located(lamps.locate(image, box, signal.order), len(signal.order))
    for point in camera.ground_points:
        drawing.ground_point(point.px, f"{point.m[0]:g}, {point.m[1]:g} m")
    drawing.grid_labels()
    encoded, data = cv2.imencode(".jpg", drawing.image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert encoded
    return bytes(data)


class _Drawing:
    """Draws on the enlarged picture; coordinates are pixels of the original one."""

    def __init__(self, picture: "Image", suffix: str) -> None:
        import cv2

        self._height, self._width = picture.shape[:2]
        self._scale = min(_MAX_SCALE, max(1, math.ceil(_MIN_WIDTH / self._width)))
        self._suffix = suffix
        self.image = cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_CUBIC)
        width = self._width * self._scale
        self._step = next(step for step in (10, 20, 25, 50, 100, 200, 500) if step * self._scale >= _MIN_STEP)
        self._font = max(0.45, width / 2800)
        self._thickness = max(2, round(width / 900))

    def grid(self) -> None:
        """Half-transparent lines at each step, with ticks at each fifth of a step."""
        import cv2

        lines = self.image.copy()
        for x in range(self._step, self._width, self._step):
            cv2.line(lines, self._at((x, 0)), self._at((x, self._height)), _WHITE, 1)
            for y in range(0, self._height, self._step // 5):
                cv2.line(lines, (x * self._scale - 3, y * self._scale), (x * self._scale + 3, y * self._scale), _WHITE, 1)
        for y in range(self._step, self._height, self._step):
            cv2.line(lines, self._at((0, y)), self._at((self._width, y)), _WHITE, 1)
            for x in range(0, self._width, self._step // 5):
                cv2.line(lines, (x * self._scale, y * self._scale - 3), (x * self._scale, y * self._scale + 3), _WHITE, 1)
        self.image = cv2.addWeighted(lines, 0.5, self.image, 0.5, 0)

    def grid_labels(self) -> None:
        for x in range(self._step, self._width, self._step):
            self._label(str(x), (x * self._scale + 3, 0))
        for y in range(self._step, self._height, self._step):
            self._label(str(y), (3, y * self._scale - 5))

    def lane(self, lane: Lane) -> None:
        import cv2
        import numpy as np

        cv2.polylines(self.image, [np.array([self._at(corner) for corner in lane.polygon], np.int32)], True, _GREEN, self._thickness)
        cv2.arrowedLine(self.image, self._at(lane.along[0]), self._at(lane.along[1]), _GREEN, self._thickness, tipLength=0.06)
        self._name(f"lane {lane.id}", lane.along[0], _GREEN)

    def zone(self, zone: Zone) -> None:
        import cv2
        import numpy as np

        cv2.polylines(self.image, [np.array([self._at(corner) for corner in zone.polygon], np.int32)], True, _MAGENTA, self._thickness)
        self._name(f"zone {zone.id}", zone.polygon[0], _MAGENTA)

    def marking(self, marking: Marking) -> None:
        import cv2
        import numpy as np

        cv2.polylines(self.image, [np.array([self._at(point) for point in marking.points], np.int32)], False, _WHITE, self._thickness)
        self._name(f"marking {marking.id}", marking.points[0], _WHITE)

    def line(self, line: Line, colour: tuple[int, int, int]) -> None:
        """With an arrow in the direction in which vehicles cross it."""
        import cv2

        (x1, y1), (x2, y2) = line.points
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        length = math.hypot(x2 - x1, y2 - y1)
        normal = ((y1 - y2) / length, (x2 - x1) / length)
        side = (line.beyond[0] - middle[0]) * normal[0] + (line.beyond[1] - middle[1]) * normal[1]
        arrow_px = math.copysign(self._width / 25, side)
        cv2.line(self.image, self._at(line.points[0]), self._at(line.points[1]), colour, self._thickness)
        tip = (middle[0] + normal[0] * arrow_px, middle[1] + normal[1] * arrow_px)
        cv2.arrowedLine(self.image, self._at(middle), self._at(tip), colour, self._thickness, tipLength=0.3)
        self._name(f"line {line.id}", line.points[0], colour)

    def box(self, head: tuple[float, float, float, float], name: str) -> None:
        import cv2

        cv2.rectangle(self.image, self._at(head[:2]), self._at(head[2:]), _RED, self._thickness)
        self._name(name, (head[0], head[3]), _RED, below=True)

    def located(self, head: "LocatedHead", count: int) -> None:
        """The housing that was found, divided into the sections of its `count` lamps, and what it shows."""
        import cv2

        if head.box is None:
            return
        box, upright = head.box, head.box.height >= head.box.width
        cv2.rectangle(self.image, self._at(box[:2]), self._at(box[2:]), _WHITE, 1)
        for i in range(1, count):
            x, y = box.x1 + i / count * box.width, box.y1 + i / count * box.height
            ends = ((box.x1, y), (box.x2, y)) if upright else ((x, box.y1), (x, box.y2))
            cv2.line(self.image, self._at(ends[0]), self._at(ends[1]), _WHITE, 1)
        self._label(head.lamp, (self._at((box.x2, box.y1))[0] + 4, self._at((box.x2, box.y1))[1]))

    def ground_point(self, point: tuple[float, float], text: str) -> None:
        import cv2

        cv2.drawMarker(self.image, self._at(point), _WHITE, cv2.MARKER_CROSS, 6 * self._thickness, self._thickness)
        self._label(text, (self._at(point)[0] + 8, self._at(point)[1] - 4))

    def _name(self, text: str, point: tuple[float, float], colour: tuple[int, int, int], *, below: bool = False) -> None:
        x, y = self._at(point)
        offset = round(40 * self._font) if below else -4 * self._thickness
        self._label(f"{text}{self._suffix}", (min(max(x, 2), self.image.shape[1] - 60), y + offset), colour)

    def _label(self, text: str, at: tuple[int, int], colour: tuple[int, int, int] = _WHITE) -> None:
        """On a dark background, readable on any picture. `at`: lower left corner in pixels of the enlarged picture."""
        import cv2

        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self._font, 1)
        x, y = at[0], min(max(at[1], height + 2), self.image.shape[0] - below - 2)
        cv2.rectangle(self.image, (x - 2, y - height - 2), (x + width + 2, y + below), (40, 40, 40), -1)
        cv2.putText(self.image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, self._font, colour, 1, cv2.LINE_AA)

    def _at(self, point: tuple[float, ...]) -> tuple[int, int]:
        return round(point[0] * self._scale), round(point[1] * self._scale)
