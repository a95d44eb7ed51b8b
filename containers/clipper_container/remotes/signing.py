"""Amazon's signatures of requests, version 4, of POSTs without a query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE, END = "sagemaker", "aws4_request"
MOMENT = "%Y%m%dT%H%M%SZ"


class Scope(NamedTuple):
    """What a signature is good for. The day is the moment's first eight digits."""

    day: str
    region: str
    service: str = SERVICE
    end: str = END


def signature(
    secret: str,
    scope: Scope,
    moment: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | bytearray | memoryview,
) -> str:
    """In hexadecimal digits. Headers are those that are signed, in their order, with names in lower case."""
    lines = [f"{name}:{' '.join(value.split())}\n" for name, value in headers.items()]
    digest = hashlib.sha256(body).hexdigest()
    request = f"POST\n{path}\n\n{''.join(lines)}\n{';'.join(headers)}\n{digest}"
    hashed = hashlib.sha256(request.encode("utf-8", "replace")).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    text = f"{ALGORITHM}\n{moment}\n{'/'.join(scope)}\n{hashed}"
    return hmac.digest(key, text.encode("utf-8", "replace"), "sha256").hex()
