"""Loads a remote model: what is in the artifact is where it is, and how it is asked."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import msgspec

from .. import metrics, notices
from ..remotes import address, credentials
from ..remotes.kinds import form_of
from ..remotes.remote import Remote

PART = "remote.json"
SECRET = "REMOTE_HEADERS"
"""The variable with the headers that carry credentials, or with Amazon's; gone before anything is asked."""
OPEN = "remote_circuit_open"


class Where(msgspec.Struct, frozen=True):
    url: str
    protocol: str
    timeout_s: float


def load(parts: dict[str, bytes], _input_type: str) -> Remote:
    where = msgspec.json.decode(parts[PART], type=Where)
    found = address.read(where.url)
    headers: dict[str, Any] = json.loads(os.environ.pop(SECRET, "{}"))
    metrics.add_metric(OPEN, "Gauge", "Whether the remote model is left alone, for it failed")
    metrics.report_metric(OPEN, 0)
    form = form_of(where.protocol, found)
    sign = None
    if credentials.are_in(headers):
        headers, sign = {}, credentials.Signer(headers, found)
    remote = Remote(where.protocol, found, form, headers, where.timeout_s, _tell, sign=sign)
    asyncio.run(remote.learn())
    return remote


def _tell(words: str, is_open: bool) -> None:
    metrics.report_metric(OPEN, is_open)
    notices.say(words)
