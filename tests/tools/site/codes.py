"""The page of reasons, errors, refusals and events: what `clipperlab explain` says, with an anchor each."""

from __future__ import annotations

from itertools import groupby

from clipperlab.explained import ENTRIES

HEADS = {
    "reason": "Reasons of default outputs",
    "error": "Errors",
    "feedback": "Feedback that was not taken",
    "event": "Events",
}
TOLD = {
    "reason": "An answer that is no model's says its reason, as `default_reason`, and a sentence. A call of "
    "a pipeline and an arm of a policy have the same ones, and a few of their own.",
    "error": "Every exception is a sentence that says what to do next. Over HTTP it is "
    '`{"error": "NotFound", "message": "..."}`, and comes out as the same class in Python.',
    "feedback": "Each item that is refused has a code, beside a sentence.",
    "event": "`conn.events()` and `clipperlab events -f` show what happened, each with its kind.",
}


def page() -> str:
    parts = [
        "# Reasons, errors and events\n",
        "`clipperlab explain CODE` says on the command line what this page says.\n",
    ]
    for kind, entries in groupby(ENTRIES, lambda entry: entry.kind):
        parts.append(f"## {HEADS[kind]}\n\n{TOLD[kind]}\n")
        for entry in entries:
            said = f"**What to do.** {entry.to_do}\n" if entry.to_do else ""
            parts.append(f"({entry.anchor})=\n### `{entry.code}`\n\n{entry.means}\n\n{said}")
    return "\n".join(parts)
