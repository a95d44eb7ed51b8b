"""A query frontend's number, which is part of its query ids: given by management to the frontend's name.

Where frontends are started by management, they are told their number. On Kubernetes a frontend knows its
pod's name alone, and asks.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx2

ASK_AGAIN_S = 0.5

log = logging.getLogger(__name__)


async def number(frontend: str, management: str, token: str, stored: Path) -> str:
    """The number of this frontend; `stored` keeps it over restarts. Asks until management answers."""
    if frontend.isdecimal():
        return frontend
    if stored.is_file() and (found := stored.read_text()).isdecimal():
        return found
    url = f"http://{management}/api/v1/frontends/{frontend}/number"
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=5, trust_env=False, verify=False) as client:
        while True:
            try:
                response = await client.put(url)
                response.raise_for_status()
            except httpx2.HTTPError as error:
                log.info("management gives no number yet (%r): asking again", error)
                await asyncio.sleep(ASK_AGAIN_S)
                continue
            found = str(response.json()["number"])
            stored.write_text(found)
            return found
