"""Where a function was written, in words that mean something elsewhere, and its lines."""

from __future__ import annotations

import linecache
from pathlib import Path
from types import CodeType


class Sources:
    """What was told of the sources of one pickle."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told: dict[str, set[int]] = {}

    def name(self, code: CodeType) -> str:
        """A file by its path; a notebook's cell, which has no file elsewhere, by what it defines first."""
        found = self._names.get(code.co_filename)
        if found is None:
            found = code.co_filename
            if linecache.getlines(found) and not Path(found).is_file():
                root = code.co_qualname.partition(".")[0]
                found = f"<the cell of {root}>"
                while found in self._names.values():
                    root += "'"
                    found = f"<the cell of {root}>"
            self._names[code.co_filename] = found
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


def _last(code: CodeType) -> int:
    """The number of its last line, and of that of what is defined in it."""
    own = max((line for *_, line in code.co_lines() if line), default=code.co_firstlineno)
    return max([own, *(_last(nested) for nested in code.co_consts if isinstance(nested, CodeType))])
