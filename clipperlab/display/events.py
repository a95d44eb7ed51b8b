"""What happened in a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from .table import table

if TYPE_CHECKING:
    from ..management import Event


class Events(list["Event"]):
    """What happened, the last at the end. A list of dictionaries, which shows itself as a table.

    >>> events = conn.events()
    >>> sorted(events[-1])
    ['at', 'id', 'kind', 'subject', 'text']
    """

    def __repr__(self) -> str:
        return "\n".join("  ".join(row) for row in self._rows()) or "nothing yet"

    def _repr_html_(self) -> str:
        return table(["when", "what"], self._rows())

    def _rows(self) -> list[Sequence[str]]:
        return [(f"{datetime.fromtimestamp(e['at']):%Y-%m-%d %H:%M:%S}", e["text"]) for e in self]
