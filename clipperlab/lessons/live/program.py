"""How the consumers run as programs."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine


def run(work: Coroutine[None, None, None], lost: type[Exception]) -> None:
    """Run `work` until a signal ends the process: at once, as nothing is lost when a consumer is killed.

    Exits with status 1 and the error in one line where `work` raises `lost`.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C too
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        asyncio.run(work)
    except lost as error:
        sys.exit(f"It is gone, and so am I: {error}")
