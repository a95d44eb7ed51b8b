"""What the `clipperlab` script can do. Errors leave as exceptions; `main` turns them into sentences.

A module of commands adds them to `app` when it is imported; `clipperlab --help` shows them in this order.
"""

from . import cluster, images, doctor, demo, deploy, models, queries, logs  # isort: skip
from .app import app

__all__ = ["app", "cluster", "demo", "deploy", "doctor", "images", "logs", "models", "queries"]
