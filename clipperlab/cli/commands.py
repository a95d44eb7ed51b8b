"""What the `clipperlab` script can do. Errors leave as exceptions; `main` turns them into sentences.

A module of commands adds them to `app` when it is imported; `clipperlab --help` shows them in this order.
"""

from . import cluster, clusters, images, doctor, explain, demo, lessons  # isort: skip
from . import deploy, applications, policies, feedback, models, rollouts, shadows, protocols  # isort: skip
from . import queries, load, logs  # isort: skip
from .app import app

__all__ = [
    "app",
    "applications",
    "cluster",
    "clusters",
    "demo",
    "deploy",
    "doctor",
    "explain",
    "feedback",
    "images",
    "lessons",
    "load",
    "logs",
    "models",
    "policies",
    "protocols",
    "queries",
    "rollouts",
    "shadows",
]
