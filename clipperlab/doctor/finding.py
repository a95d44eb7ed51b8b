"""What the checks of this machine found."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal

_COLOURS = {  # those of the lessons' checks
    "good": "--jp-success-color1, #388e3c",
    "note": "--jp-warn-color1, #f57c00",
    "bad": "--jp-error-color1, #d32f2f",
}


@dataclass(frozen=True)
class Finding:
    state: Literal["good", "note", "bad"]
    what: str

    def __str__(self) -> str:
        return f"{self.state:5} {self.what}"


class Findings(list[Finding]):
    """In the order in which to look at them: lines of text, and in a notebook with a colour each."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return "".join(
            f'<div style="border-left: 6px solid var({_COLOURS[found.state]}); padding: 2px 12px">'
            f"<b>{found.state}</b> · {html.escape(found.what)}</div>"
            for found in self
        )
