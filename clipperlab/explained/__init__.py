"""What each code means, and what to do about it: `clipperlab explain CODE`, and a page of the documentation.

A code stands in an answer (why it is a default output), in an exception or a refusal (its class), in the
refusal of feedback, or in an event (its kind). One that means two things has two entries.
"""

from __future__ import annotations

from clipper_container.errors import NotFound
from clipper_container.near import near

from .entry import Entry
from .errors import ERRORS
from .events import EVENTS
from .feedback import FEEDBACK
from .reasons import REASONS

__all__ = ["ENTRIES", "Entry", "explain"]

ENTRIES: tuple[Entry, ...] = (*REASONS, *ERRORS, *FEEDBACK, *EVENTS)


def explain(code: str) -> list[Entry]:
    """The entries of a code, in any case of letters. Raises NotFound, with the names that are near.

    >>> explain("deadline")[0].to_do.split(".")[0]
    'See with why(query_id) where the time went'
    """
    wanted = code.strip().lower().replace("-", "_").replace(" ", "_")
    found = [entry for entry in ENTRIES if entry.code.lower() == wanted]
    if not found:
        codes = {entry.code.lower(): entry.code for entry in ENTRIES}
        close = [codes[name] for name in near(wanted, codes, 3)]
        told = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NotFound(f"There is no code {code!r}.{told} `clipperlab explain` lists all of them.")
    return found
