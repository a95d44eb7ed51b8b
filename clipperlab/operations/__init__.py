"""What can be done to a cluster: one class a noun, under the names that Clipper's users know.

`ClipperConnection` is made of them. What a connection is passed to, such as a deployer, a handle or a widget,
knows it as `Operations`.
"""

from __future__ import annotations

from .applications import Applications
from .batching import Batching
from .cascades import Cascades
from .cluster import Cluster
from .decisions import Decisions
from .deployed import Deployed
from .feedback import Feedback
from .images import Images
from .measured import Measured
from .policies import Policies
from .protocols import Protocols
from .rollouts import Rollouts
from .shadows import Shadows
from .versions import Versions
from .views import Views

__all__ = ["Deployed", "Operations"]


class Operations(
    Cluster,
    Measured,
    Applications,
    Cascades,
    Policies,
    Protocols,
    Feedback,
    Decisions,
    Rollouts,
    Shadows,
    Images,
    Versions,
    Batching,
    Views,
):
    """Everything that can be done to a cluster."""
