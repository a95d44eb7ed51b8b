"""What the applications of one frontend share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .able import AbleArms
from .cache import Cache
from .deadlines import Deadlines
from .feedback import Feedback
from .ids import Ids
from .learned import Learned
from .rollouts import Rollouts
from .shadows import Shadows
from .slices import Slices
from .traces import Traces


class Parts(NamedTuple):
    """Of each there is one. `complain` is told what a version, as model:version, does wrong."""

    clock: Callable[[], float]
    able: AbleArms
    deadlines: Deadlines
    cache: Cache
    traces: Traces
    ids: Ids
    slices: Slices
    rollouts: Rollouts
    shadows: Shadows
    learned: Learned
    feedback: Feedback
    complain: Callable[[str, str], None]
