"""Text that a run put out, without what is one machine's alone: paths, free ports, addresses and secrets."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.support.notebooks import ROOT

# Ports of nobody's choice: the documented ones are below.
_PORT = re.compile(r"((?:127\.0\.0\.1|localhost|\[::1\]):|\b[Pp]orts? )[1-6]\d{4}\b")
_ADDRESS = re.compile(r"\b(at )0x[0-9a-f]{6,}\b")
_SECRET = re.compile(r"""((?i:token|secret|key|bearer|password)\w*["']?[:=]?\s*["']?)[\w.+/=-]{20,}""")
_TEMPORARY = re.compile(r"(/(?:tmp|var/folders)/)[\w.-]+(?:/[\w.-]+)*")


def scrubbed(text: str, home: Path) -> str:
    """`home` is the clusters' folder, which becomes the one that they have by default.

    >>> scrubbed("Clusters live in /tmp/clipper-x1/lesson-01, at 127.0.0.1:43031.", Path("/tmp/clipper-x1"))
    'Clusters live in ~/.clipperlab/lesson-01, at 127.0.0.1:….'
    """
    places = {home: "~/.clipperlab", ROOT: "clipper-lab", Path(sys.prefix): ".venv", Path.home(): "~"}
    for place in sorted(places, key=lambda place: -len(str(place))):
        text = re.sub(rf"{re.escape(str(place))}(?![\w-])", places[place], text)
    text = _TEMPORARY.sub(r"\1…", text)
    text = _PORT.sub(r"\1…", text)
    text = _ADDRESS.sub(r"\g<1>0x…", text)
    return _SECRET.sub(r"\1…", text)
