"""A step of a loop that has several parts: one that fails keeps no other from being done."""

from __future__ import annotations


class Parts:
    """Each of them is done in a `with` of it."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Exception):
            self._errors.append(error)
            return True
        return False

    def end(self) -> None:
        """Raises what they raised."""
        if self._errors:
            raise ExceptionGroup("parts of a step failed", self._errors)
