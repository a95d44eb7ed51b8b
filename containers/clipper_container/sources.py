"""The lines that functions were written in travel with them, so that a traceback shows them."""

from __future__ import annotations

import linecache
from types import CodeType
from typing import Any


def code(args: tuple[Any, ...], file: str, first: int, lines: list[str]) -> CodeType:
    """The code object of these arguments, whose `lines`, from number `first` on, tracebacks know from now on.

    Where this process has lines of that file already, those stay.
    """
    known = linecache.cache.get(file)
    if known is None or (len(known) == 4 and known[1] is None):  # ours have no time of change
        there = list(known[2]) if known is not None and len(known) == 4 else []
        there += ["\n"] * (first - 1 + len(lines) - len(there))
        there[first - 1 : first - 1 + len(lines)] = lines
        linecache.cache[file] = (sum(map(len, there)), None, there, file)
    return CodeType(*args)
