"""Management that takes replicas away soon: the real one otherwise, whose times test_autoscaler has.

Runs as a script, with the arguments of `python -m clipper_server`.
"""

from __future__ import annotations

import sys

from clipper_server import __main__ as server
from clipper_server.management import autoscaler

if __name__ == "__main__":
    autoscaler.CALM_S, autoscaler.IDLE_S = 2.0, 20.0
    sys.exit(server.main())
