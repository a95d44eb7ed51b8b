"""The query frontend's process: what it loads."""

from __future__ import annotations

import subprocess
import sys


def test_a_frontend_loads_no_web_framework() -> None:
    """Whoever waits for one that was killed, or for a cluster, waits for what is loaded."""
    code = "import sys, clipper_server.query.frontend\nprint('fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
