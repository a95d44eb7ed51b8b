"""The web application in a process of its own, started from a notebook."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx2

STARTS_S = 30.0
ENDS_S = 5.0


class Running:
    """`url` is for programs on this machine, and `page` for the browser that shows the notebook.

    The second is a path of the Jupyter server where a JupyterHub, or Binder, stands between the two. Raises
    RuntimeError, with what the process said, where it does not answer within 30 s.
    """

    def __init__(self, query_url: str, data: Path, *, application: str = "digits", port: int = 0) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._log = data / "app.log"
        command = [sys.executable, "-m", "digits_app", query_url, "--application", application]
        command += ["--data", str(data), "--port", str(port)]
        # Its parent folder is where it is found, wherever the notebook is.
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self.url = ""
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        port = urlsplit(self.url).port or port
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        self.page = f"{prefix}proxy/{port}/" if prefix else self.url

    def _wait(self) -> None:
        give_up = time.monotonic() + STARTS_S
        while self._process.poll() is None and time.monotonic() < give_up:
            self.url = self._log.read_text().partition("\n")[0]
            if self.url.startswith("http") and self.url.endswith("/"):
                with suppress(httpx2.TransportError):
                    if httpx2.get(self.url, timeout=2, trust_env=False).is_success:
                        return
            time.sleep(0.05)
        raise RuntimeError(f"The web application did not start. It said:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it. A second call does nothing."""
        self._process.terminate()
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
