"""`python -m tests.tools.kubernetes_stand_in`: one to play with, until Ctrl+C."""

from __future__ import annotations

import signal
import sys

from . import StandIn

with StandIn() as cluster:
    sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
