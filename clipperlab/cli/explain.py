"""`clipperlab explain`."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from ..explained import ENTRIES, explain
from .app import AsJson, command, console, print_json, told

TITLES = {
    "reason": "why there is no output",
    "error": "an exception",
    "feedback": "why feedback was not taken",
    "event": "what happened",
}


@command("explain deadline", name="explain")
def explained(
    code: Annotated[
        str,
        typer.Argument(
            help="A reason, an error, or the kind of an event. Without one, all are listed.",
            autocompletion=lambda incomplete: sorted(
                {entry.code for entry in ENTRIES if entry.code.startswith(incomplete)}
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say what a code in an answer, an error or an event means, and what to do about it."""
    if as_json:
        print_json([entry._asdict() for entry in (explain(code) if code else ENTRIES)])
        return
    if not code:
        for kind, entries in groupby(ENTRIES, lambda entry: entry.kind):
            console().print(f"[bold]{TITLES[kind]}[/]: {', '.join(entry.code for entry in entries)}")
        return
    for entry in explain(code):
        console().print(f"[bold]{entry.code}[/], {TITLES[entry.kind]}")
        console().print(told("\n".join(filter(None, (entry.means, entry.to_do)))), markup=False)
