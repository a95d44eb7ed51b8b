"""A client of the management API: one method a route, plain dictionaries out, errors as exceptions."""

from __future__ import annotations

from .applications import Application, Applications
from .calls import credentials
from .cluster import Cluster, Event
from .feedback import Feedback, FeedbackOptions, Learned, LearnedArm, LearnedContext
from .measured import ApplicationPoint, ArmPoint, Measured, Overview, Point, VersionPoint
from .policies import Policies, Policy, PolicyMove
from .protocols import Protocols
from .replicas import GPU, Replica, Replicas
from .rollouts import Rollout, Rollouts
from .shadows import Shadow, Shadows
from .versions import Move, Version

__all__ = [
    "GPU",
    "Application",
    "ApplicationPoint",
    "ArmPoint",
    "Event",
    "FeedbackOptions",
    "Learned",
    "LearnedArm",
    "LearnedContext",
    "Management",
    "Move",
    "Overview",
    "Point",
    "Policy",
    "PolicyMove",
    "Replica",
    "Rollout",
    "Shadow",
    "Version",
    "VersionPoint",
    "credentials",
]


class Management(Cluster, Applications, Policies, Protocols, Feedback, Rollouts, Shadows, Replicas, Measured):
    """The management frontend of one cluster. May be used from any thread, and from a forked process.

    Every method raises ClusterError where management does not answer, and the error that management
    names otherwise. Names are checked here too, so that they can stand in a URL: BadRequest.
    """
