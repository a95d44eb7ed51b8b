"""The bytes of an HTTP request, which both load generators send as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    parts = urlsplit(url)
    lines = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def predict(url: str, value: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A query in Clipper's own protocol."""
    return post(url, json.dumps({"input": value}).encode(), headers)
