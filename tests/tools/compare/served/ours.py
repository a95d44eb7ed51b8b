"""The models on a cluster of ours: `python -m tests.tools.compare.served.ours PORT`, until told to end."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.tools.benchmarks.models import by_value

from .models import MODELS
from .settings import WORKERS

SLO_MICROS = 30_000_000
"""Far off, as the others' time-outs are: there are no default outputs, and who is late is counted as late."""


def main() -> None:
    port = int(sys.argv[1])
    manager = ProcessContainerManager("compare", clipper_query_port=port, clipper_management_port=0)
    conn = ClipperConnection(manager)
    conn.start_clipper(cache_size=0)
    try:
        for name, load in MODELS.items():
            conn.register_application(name, "doubles", -1.0, SLO_MICROS)
            model = by_value(load())
            deploy_python_closure(conn, name, 1, "doubles", model, num_replicas=WORKERS[name])
            conn.link_model_to_app(name, name)
        with suppress(KeyboardInterrupt):
            signal.pause()
    finally:
        conn.stop_all(purge=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
