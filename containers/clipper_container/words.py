"""A replica's last words: why its model could not be loaded. In a file, or in its log where there is none."""

from __future__ import annotations

from pathlib import Path

from .log import say

IN_THE_LOG = "-"
NONE = "It said nothing."
"""What stands in their place where there are none."""
_BEGIN = "---- the last words of this replica ----"
_END = "---- the end of its last words ----"


def leave(where: str, words: str) -> None:
    """Leave them in the file `where`; or in the log, between two marks."""
    if where == IN_THE_LOG:
        say(f"{_BEGIN}\n{words}\n{_END}")
    else:
        Path(where).write_text(words, encoding="utf-8", errors="backslashreplace")


def find(log: str) -> str:
    """The last words in a log; "" where there are none."""
    _, _, rest = log.rpartition(f"{_BEGIN}\n")
    words, end, _ = rest.partition(f"\n{_END}")
    return words if end else ""
