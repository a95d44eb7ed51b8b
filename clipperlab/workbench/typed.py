"""Inputs as people type them."""

from __future__ import annotations

import json
from typing import Any

from clipper_container.errors import BadRequest


def parse(text: str, input_type: str) -> Any:
    """An input as people type it: JSON, or numbers with commas or blanks between them, or just text."""
    stripped = text.strip()
    if not stripped:
        raise BadRequest("There is no input yet.")
    try:
        return json.loads(stripped)
    except ValueError:
        pass
    if input_type == "strings":
        return text
    if input_type == "named":
        raise BadRequest(
            f'{stripped[:60]!r} is no JSON. An input names its arrays: {{"ids": [3, 7], "text": "x"}}.'
        )
    if input_type == "dataframe":
        raise BadRequest(
            f'{stripped[:60]!r} is no JSON. A row names its columns: {{"city": "Rome", "rooms": 3}}.'
        )
    try:
        return [float(part) for part in stripped.strip("[]()").replace(",", " ").split()]
    except ValueError:
        raise BadRequest(f"{stripped[:60]!r} is neither JSON nor a list of numbers.") from None
