"""What several routes take, beside their bodies."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query

MAX_WAIT_S = 30.0
MAX_ID = 2**63 - 1  # SQLite's

Who = Annotated[str, Header(alias="X-Clipper-Who", max_length=200)]
"""Who asks, for the history: a name that clients give."""

WaitS = Annotated[float, Query(ge=0, le=MAX_WAIT_S)]
"""For how long to wait for something to say."""

Id = Annotated[int, Query(ge=0, le=MAX_ID)]
"""After which event, point or position."""
