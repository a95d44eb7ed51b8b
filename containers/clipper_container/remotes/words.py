"""What another server says of its errors, as it may be shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .connections import Answered

MOST = 300  # characters
_HIDDEN = "***"


class Hiding:
    """Takes secrets out of texts: a server may repeat what it was sent."""

    def __init__(self, secrets: Iterable[str]) -> None:
        parts = {part for secret in secrets for part in (secret, secret.partition(" ")[2]) if part}
        written = {json.dumps(part)[1:-1] for part in parts}
        self._secrets = sorted(parts | written, key=len, reverse=True)

    def __call__(self, text: str, most: int = MOST) -> str:
        """On one line, and cut where it is long."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        line = " ".join(text.split())
        return line if len(line) <= most else f"{line[:most]}..."


def sentence(text: str) -> str:
    """With its end: another server's words may have theirs."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def said(answered: Answered) -> str:
    """The message in an error's body, or all of it."""
    text = answered.body[:100_000].decode("utf-8", "replace")
    try:
        return _message(json.loads(text)) or text
    except (ValueError, RecursionError):
        return text


def _message(found: Any) -> str:
    if isinstance(found, str):
        return found
    if isinstance(found, list):
        return "; ".join(filter(None, map(_message, found[:3])))
    if isinstance(found, dict):
        for name in ("error", "message", "Message", "detail", "msg", "OriginalMessage"):
            if found.get(name) and (text := _message(found[name])):
                return text
    return ""
