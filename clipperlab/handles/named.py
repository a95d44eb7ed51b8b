"""Handles by name: `conn.models["digits"]`, where a notebook completes the name by Tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from clipper_container.errors import ClipperException

Handle = TypeVar("Handle")


class Named(Mapping[str, Handle]):
    """A handle for each name that there is at the moment.

    A name that there is not raises NotFound, which is no KeyError, and says which there are.

    >>> list(conn.models)
    ['bayes', 'digits']
    >>> conn.models["digits"].current_version
    '2'
    """

    def __init__(self, names: Callable[[], list[str]], handle: Callable[[str], Handle]) -> None:
        self._names = names
        self._handle = handle

    def __getitem__(self, name: str) -> Handle:
        return self._handle(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        try:
            return f"<{', '.join(self._names()) or 'none yet'}>"
        except ClipperException as error:
            return f"<{error}>"

    def _ipython_key_completions_(self) -> list[str]:
        try:
            return self._names()
        except ClipperException:
            return []
