"""What a lesson needs and a machine may lack: an engine, a database, a library."""

from __future__ import annotations

from clipper_container.errors import ClipperException


class NotHere(ClipperException):
    """This machine lacks what the lesson needs. A notebook shows the sentence alone, and stops."""

    def __init__(self, part: str, how: str) -> None:
        super().__init__(f"There is no {part} here, and this lesson needs it. {how}")
        self.part = part

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the traceback."""
        return [f"{type(self).__name__}: {self}"]


def need(part: str, there: object, how: str) -> None:
    """Raise NotHere unless `there` is true: `need("docker", engine_answers(), "Start a Docker engine.")`.

    `how` says what to do, or which lesson to take instead. `make notebooks` leaves the rest of the lesson
    out then, unless CLIPPERLAB_TESTS_NEED names the part.
    """
    if not there:
        raise NotHere(part, how)
