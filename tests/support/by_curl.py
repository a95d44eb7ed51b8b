"""What curl is told: other systems' documentation shows how to ask with it."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def curl_all(*words: str) -> tuple[int, Any, dict[str, str]]:
    """The status, what its body says, and the headers, by names in small letters."""
    command = ["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "60", *words]
    told = subprocess.run(command, capture_output=True, check=True).stdout
    status = 100
    while status < 200:  # before a large body there is "100 Continue"
        head, _, told = told.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
    pairs = (line.partition(": ") for line in lines)
    headers = {name.lower(): value for name, _, value in pairs}
    body = told.decode()
    try:
        return status, json.loads(body), headers
    except ValueError:
        return status, body, headers


def curl(*words: str) -> tuple[int, Any]:
    return curl_all(*words)[:2]
