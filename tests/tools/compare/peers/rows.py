"""The request and the answer of systems that leave both to whoever writes the handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def one_row(model: str, row: Sequence[float]) -> tuple[str, object]:
    return f"/{model}", {"input": row}


def output(said: Any) -> float:
    return float(said["output"])
