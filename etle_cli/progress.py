"""Progress of the cameras of a run, shown in the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class CameraProgressBars:
    """A RunProgress or ReprocessProgress with a bar for each camera."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def started(self, camera: str, done: int, total: int | None) -> None:
        self._tasks[camera] = self._progress.add_task(camera, total=total, completed=done)

    def advance(self, camera: str) -> None:
        self._progress.advance(self._tasks[camera])
