"""Where a function was written, in words that mean something elsewhere, and its lines."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import CodeType


class Sources:
    """What was told of the sources of one pickle."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told: dict[str, set[int]] = {}

    def name(self, file: str, first: str) -> str:
        """A file as one would import it; a notebook's cell, which is no file, by what is `first` in it.

        It is the same wherever the file lies. And it is a text of its own: whether the code shares one, which
        a pickle tells, depends on what was compiled before.
        """
        found = self._names.get(file)
        if found is None:
            is_cell = linecache.getlines(file) and not Path(file).is_file()
            found = "".join(list(f"<the cell of {first}>" if is_cell else _below_a_home(Path(file))))
            while found in self._names.values():
                found += "'"
            self._names[file] = found
        return found

    def lines(self, code: CodeType) -> list[str]:
        """Its lines from its first on; none where they were told with what is around it, or are not known."""
        written = linecache.getlines(code.co_filename)
        first, last = code.co_firstlineno, _last(code)
        told = self._told.setdefault(code.co_filename, set())
        wanted = set(range(first, last + 1))
        if wanted <= told:
            return []
        told |= wanted
        return written[first - 1 : last]


def _below_a_home(file: Path) -> str:
    """Its path from the nearest folder on that imports begin at; its own name where there is none."""
    homes = [home for home in map(Path.absolute, map(Path, sys.path)) if home in file.parents]
    return file.relative_to(max(homes, key=lambda home: len(home.parts), default=file.parent)).as_posix()


def _last(code: CodeType) -> int:
    """The number of its last line, and of that of what is defined in it."""
    own = max((line for *_, line in code.co_lines() if line), default=code.co_firstlineno)
    return max([own, *(_last(nested) for nested in code.co_consts if isinstance(nested, CodeType))])
